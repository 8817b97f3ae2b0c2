//! Hosts to which only some requests are allowed, by rules or by grants: they belong to the agent plane, which reads requests.
//!
//! Once a rule for requests or a grant names a host, no rule for the whole host applies to it, in no mode: otherwise a preset would
//! cancel the limit. The order of such rules has no meaning; within one, the first match decides.

use super::grant::Grant;
use super::host_rule::HostRule;
use super::name::{HOST, HostName};
use super::path::Case;
use super::policy::{Permission, Policy, Verdict};
use super::port::Port;
use super::request_rule::{Asked, Effect, RequestRule, effect};

/// A host, and the rules for requests to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit<'a> {
    pub rule: &'a str,
    pub host: &'a HostRule,
    pub requests: &'a [RequestRule],
    /// How paths are compared with what is allowed.
    pub case: Case,
}

impl Policy {
    /// Whether the agent plane has anything to do: a grant, or a rule for requests.
    pub fn reads_requests(&self) -> bool {
        self.limits().next().is_some()
    }

    /// Whether only some requests to a host are allowed. Only the agent plane leads to such a host.
    pub fn is_limited(&self, name: &HostName, port: Port) -> bool {
        !name.is_reserved() && name.as_str() != HOST && self.limits_of(name, port).next().is_some()
    }

    /// The rules for requests to a host that is limited, as they are written.
    pub fn requests_to(&self, name: &HostName, port: Port) -> Vec<String> {
        if !self.is_limited(name, port) {
            return Vec::new();
        }
        self.limits_of(name, port).flat_map(|limit| limit.requests.iter().map(ToString::to_string)).collect()
    }

    /// Whether a request is allowed. A denial by one rule counts more than an allowance by another one.
    pub fn decide_request(&self, name: &HostName, port: Port, asked: &Asked<'_>) -> Verdict<'_> {
        if !self.is_limited(name, port) {
            return self.decide(name, port);
        }
        let mut permission: Option<Permission> = None;
        for limit in self.limits_of(name, port) {
            match effect(limit.requests, asked, limit.case) {
                Some(Effect::Deny) => return Verdict::Denied,
                Some(Effect::Allow) => {
                    let found = || Permission { rule: limit.rule, ranges: Vec::new(), is_host: false };
                    permission.get_or_insert_with(found).ranges.extend(limit.host.within);
                }
                None => {}
            }
        }
        permission.map_or(Verdict::Denied, Verdict::Allowed)
    }

    /// All limits.
    pub(crate) fn limits(&self) -> impl Iterator<Item = Limit<'_>> {
        let entries = self.entries.iter().filter(|entry| !entry.requests.is_empty());
        let rules = entries.flat_map(|entry| {
            let limit = |host| Limit { rule: &entry.rule, host, requests: &entry.requests, case: Case::Exact };
            entry.hosts.iter().map(limit)
        });
        rules.chain(self.grants.iter().flat_map(Grant::limits))
    }

    fn limits_of(&self, name: &HostName, port: Port) -> impl Iterator<Item = Limit<'_>> {
        self.limits().filter(move |limit| limit.host.hosts.matches(name) && limit.host.ports().any(|it| it == port))
    }
}

impl Grant {
    /// The hosts, and what is granted. Without TLS that is nothing, so no credential and no other one goes out in clear.
    pub(crate) fn limits(&self) -> impl Iterator<Item = Limit<'_>> {
        self.hosts.iter().flat_map(|it| {
            let limit = |host, requests| Limit { rule: &self.rule, host, requests, case: it.case };
            [limit(&it.host, it.requests.as_slice()), limit(&it.plain, &[])]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, Mode, RequestPath, Rule};
    use super::*;

    fn policy(mode: Mode, rules: &[(&str, &[&str])]) -> Policy {
        let rule = |(host, requests): &(&str, &[&str])| match requests {
            [] => Entry::from(&host.parse::<Rule>().unwrap()),
            requests => Entry::from(&Rule::with_requests(host, requests).unwrap()),
        };
        Policy::new(mode, rules.iter().map(rule).collect(), Vec::new()).unwrap()
    }

    fn rule_for<'a>(policy: &'a Policy, host: &str, method: &str, path: &str) -> Option<&'a str> {
        let path = RequestPath::new(path).unwrap();
        match policy.decide_request(&host.parse().unwrap(), Port::TLS, &Asked { method, path: &path }) {
            Verdict::Allowed(permission) => Some(permission.rule),
            Verdict::Learned => Some("learned"),
            Verdict::Denied => None,
        }
    }

    #[test]
    fn a_rule_for_requests_limits_its_host_whatever_else_allows_it() {
        let rules: &[(&str, &[&str])] = &[("**.example", &[]), ("api.example", &["allow GET /x/**"])];
        for mode in [Mode::Strict, Mode::Learn] {
            let policy = policy(mode, rules);
            assert_eq!(rule_for(&policy, "api.example", "GET", "/x/y"), Some("api.example: allow GET /x/**"));
            assert_eq!(rule_for(&policy, "api.example", "POST", "/x/y"), None, "no match is a denial");
            assert_eq!(rule_for(&policy, "www.example", "POST", "/x/y"), Some("**.example"));
            // No plane that does not read requests may lead there.
            let name = "api.example".parse().unwrap();
            assert_eq!(policy.decide(&name, Port::TLS), Verdict::Denied);
            assert_eq!(policy.decide(&name, Port::HTTP), Verdict::Denied);
            assert!(policy.is_limited(&name, Port::TLS) && policy.knows(&name));
            assert!(!policy.is_limited(&"www.example".parse().unwrap(), Port::TLS));
        }
    }

    #[test]
    fn the_order_of_rules_is_irrelevant_and_denials_win() {
        let (all, few): ((&str, &[&str]), _) =
            (("**.example", &["allow * /**"]), ("api.example", &["deny DELETE /**", "allow GET /y"][..]));
        for rules in [[all, few], [few, all]] {
            let policy = policy(Mode::Strict, &rules);
            assert_eq!(rule_for(&policy, "api.example", "DELETE", "/x"), None);
            assert_eq!(rule_for(&policy, "api.example", "POST", "/x"), Some("**.example: allow * /**"));
        }
    }

    #[test]
    fn ranges_belong_to_the_rule_that_allows_the_request() {
        let rules: &[(&str, &[&str])] =
            &[("db.example in 10.0.0.0/8", &["allow GET /inside"]), ("db.example", &["allow GET /**"])];
        let policy = policy(Mode::Strict, rules);
        let may_be_private = |path: &str| {
            let path = RequestPath::new(path).unwrap();
            let asked = Asked { method: "GET", path: &path };
            let verdict = policy.decide_request(&"db.example".parse().unwrap(), Port::TLS, &asked);
            verdict.check_address("10.0.0.1".parse().unwrap()).is_ok()
        };
        assert!(may_be_private("/inside") && !may_be_private("/other"));
    }

    #[test]
    fn reserved_names_stay_reserved() {
        let policy = policy(Mode::Strict, &[("**", &["allow * /**"])]);
        for host in ["ready.moat.internal", "host.docker.internal"] {
            assert_eq!(rule_for(&policy, host, "GET", "/"), None, "{host}");
            assert!(!policy.is_limited(&host.parse().unwrap(), Port::TLS));
        }
    }
}

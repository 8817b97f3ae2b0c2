//! The comparison of two policies: what a new one allows beyond an old one.
//!
//! Conservative: a set that several rules cover only together counts as not covered, so a change is reported as wider
//! rather than missed.

use super::grant::GrantName;
use super::host_rule::HostRule;
use super::limits::Limit;
use super::path::Case;
use super::policy::Policy;
use super::port::Port;
use super::request_rule::{self, Effect, RequestRule};

/// One thing that a new policy allows and the old one does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Widening {
    /// The gateway is removed: everything is allowed.
    Open,
    /// Unnamed hosts pass.
    Learn,
    /// The rule as it is written, and the hosts of it that are new.
    Rule { rule: String, hosts: Vec<HostRule> },
    /// A port of the Docker host.
    HostPort(Port),
    /// A grant that is new, or for more requests.
    Grant(GrantName),
}

/// What a new policy allows beyond the old one. `None` is an open network.
pub fn widenings(new: Option<&Policy>, old: Option<&Policy>) -> Vec<Widening> {
    let Some(old) = old else { return Vec::new() };
    let Some(new) = new else { return vec![Widening::Open] };
    let is_covered = |target: &HostRule| target.ports().all(|port| is_whole_host_covered(new, old, target, port));
    let are_requests_covered = |host: &HostRule, requests: &[RequestRule]| {
        let limit = Limit { rule: "", host, requests, case: Case::Exact };
        host.ports().all(|port| is_limit_covered(new, old, &limit, port))
    };
    let mut all: Vec<Widening> = Vec::new();
    if new.targets().any(|(rule, target)| rule == "learn" && !is_covered(&target)) {
        all.push(Widening::Learn);
    }
    for entry in &new.entries {
        let is_old = |host: &HostRule| match entry.requests.as_slice() {
            // A registry may redirect to any host.
            _ if entry.is_registry() && !old.registry_hosts().any(|it| covers(it, host, Port::TLS)) => false,
            [] => is_covered(host),
            requests => are_requests_covered(host, requests),
        };
        let hosts: Vec<HostRule> = entry.hosts.iter().filter(|host| !is_old(host)).cloned().collect();
        if !hosts.is_empty() {
            all.push(Widening::Rule { rule: entry.rule.clone(), hosts });
        }
    }
    for grant in &new.grants {
        let is_old = |limit: Limit| limit.host.ports().all(|port| is_limit_covered(new, old, &limit, port));
        if !old.grants.iter().any(|old| grant.is_covered_by(old)) || !grant.limits().all(is_old) {
            all.push(Widening::Grant(grant.name.clone()));
        }
    }
    all.extend(new.host_ports.iter().filter(|port| !old.host_ports.contains(port)).copied().map(Widening::HostPort));
    all
}

/// Whether the old policy allows all requests to hosts, except where the new one has limits as well.
fn is_whole_host_covered(new: &Policy, old: &Policy, target: &HostRule, port: Port) -> bool {
    let is_limited_still = |limit: &Limit| {
        let is_at = |it: &Limit| on(it, port) && it.host.hosts.covers(&limit.host.hosts);
        new.limits().any(|it| is_at(&it))
    };
    old.targets().any(|(_, old)| covers(&old, target, port))
        && limits_at(old, target, port).all(|limit| is_limited_still(&limit))
}

/// Whether the old policy allows all requests that a new limit does.
fn is_limit_covered(new: &Policy, old: &Policy, target: &Limit, port: Port) -> bool {
    if target.requests.is_empty() {
        return true;
    }
    if limits_at(old, target.host, port).next().is_none() {
        return old.targets().any(|(_, old)| covers(&old, target.host, port));
    }
    let new_requests: Vec<&RequestRule> = target.requests.iter().collect();
    let allows_it = |limit: &Limit| {
        covers(limit.host, target.host, port)
            && (limit.case == target.case || limit.case == Case::Ignored)
            && request_rule::covers(&limit.requests.iter().collect::<Vec<_>>(), &new_requests, limit.case)
    };
    // What another old limit denies must be denied still.
    let denies_nothing_else = |limit: &Limit| {
        limit.requests.iter().all(|rule| rule.effect == Effect::Allow)
            || new
                .limits()
                .any(|it| on(&it, port) && it.host.hosts.covers(&limit.host.hosts) && it.requests == limit.requests)
    };
    let limits: Vec<Limit> = limits_at(old, target.host, port).collect();
    limits.iter().enumerate().any(|(at, limit)| {
        let others = limits.iter().enumerate().filter(|(other, _)| *other != at);
        allows_it(limit) && others.map(|(_, other)| other).all(denies_nothing_else)
    })
}

/// The limits of a policy that may concern hosts.
fn limits_at<'a>(policy: &'a Policy, target: &HostRule, port: Port) -> impl Iterator<Item = Limit<'a>> {
    policy.limits().filter(move |limit| on(limit, port) && limit.host.hosts.intersects(&target.hosts))
}

fn on(limit: &Limit, port: Port) -> bool {
    limit.host.ports().any(|it| it == port)
}

/// Whether an old rule allows all that a new one does on a port.
fn covers(old: &HostRule, new: &HostRule, port: Port) -> bool {
    old.ports().any(|it| it == port) && old.has_addresses_of(new) && old.hosts.covers(&new.hosts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Asked, Entry, Mode, RequestPath, Rule, Verdict};
    use super::*;

    fn policy(mode: Mode, rules: &[&str], host_ports: &[u16]) -> Policy {
        let entries = rules.iter().map(|rule| Entry::from(&rule.parse::<Rule>().unwrap())).collect();
        Policy::new(mode, entries, host_ports.iter().filter_map(|it| Port::new(*it)).collect()).unwrap()
    }

    fn strict(rules: &[&str]) -> Policy {
        policy(Mode::Strict, rules, &[])
    }

    fn wider(new: &[&str], old: &[&str]) -> Vec<String> {
        let described = |widening: Widening| match widening {
            Widening::Rule { rule, hosts } => {
                format!("{rule}: {}", hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            }
            other => format!("{other:?}"),
        };
        widenings(Some(&strict(new)), Some(&strict(old))).into_iter().map(described).collect()
    }

    #[test]
    fn only_newly_allowed_hosts_are_wider() {
        assert!(wider(&["a.example"], &["**.example"]).is_empty());
        assert!(wider(&["a.example:443"], &["a.example"]).is_empty());
        assert!(wider(&["a.example"], &["a.example:80", "a.example:443"]).is_empty());
        assert!(wider(&[], &["a.example"]).is_empty());
        assert!(wider(&["**.npmjs.org"], &["@npm"]).is_empty());
        assert_eq!(wider(&["a.example"], &["a.example:443"]), ["a.example: a.example"]);
        assert_eq!(wider(&["**.example"], &["*.example"]), ["**.example: **.example"]);
        assert_eq!(wider(&["a.example in 10.0.0.0/8"], &["a.example"]).len(), 1);
        assert_eq!(wider(&["a.example in 10.0.0.0/8"], &["a.example in 10.1.0.0/16"]).len(), 1);
        assert!(wider(&["a.example in 10.1.0.0/16"], &["a.example in 10.0.0.0/8"]).is_empty());
        assert!(wider(&["a.example"], &["a.example in 10.0.0.0/8"]).is_empty());
        assert_eq!(wider(&["@npm"], &["**.npmjs.org", "**.npmjs.com"]), ["@npm: **.yarnpkg.com **.nodejs.org"]);
    }

    #[test]
    fn modes_and_host_ports_are_compared() {
        let (learn, none) = (policy(Mode::Learn, &[], &[]), strict(&[]));
        assert_eq!(widenings(Some(&learn), Some(&none)), [Widening::Learn]);
        assert!(widenings(Some(&none), Some(&learn)).is_empty());
        assert!(widenings(Some(&strict(&["a.example"])), Some(&learn)).is_empty());
        assert!(widenings(Some(&learn), Some(&strict(&["**"]))).is_empty());
        assert_eq!(widenings(Some(&strict(&["a.example:22"])), Some(&learn)).len(), 1);
        assert_eq!(widenings(None, Some(&learn)), [Widening::Open]);
        assert!(widenings(Some(&learn), None).is_empty() && widenings(None, None).is_empty());
        let one = policy(Mode::Strict, &[], &[8080]);
        assert_eq!(widenings(Some(&one), Some(&none)), [Widening::HostPort(Port::new(8080).unwrap())]);
    }

    /// Rules for whole hosts, and for requests: `HOST: REQUESTS`.
    fn mixed(rules: &[&str]) -> Policy {
        let rule = |text: &&str| match text.split_once(": ") {
            Some((host, requests)) => Rule::with_requests(host, &requests.split(", ").collect::<Vec<_>>()).unwrap(),
            None => text.parse().unwrap(),
        };
        Policy::new(Mode::Strict, rules.iter().map(|it| Entry::from(&rule(it))).collect(), Vec::new()).unwrap()
    }

    #[test]
    fn requests_are_compared() {
        let wider = |new: &[&str], old: &[&str]| widenings(Some(&mixed(new)), Some(&mixed(old))).len();
        assert_eq!(wider(&["a.x: allow GET /**"], &["a.x"]), 0, "a limit is new");
        assert_eq!(wider(&["a.x"], &["a.x: allow GET /**"]), 1, "a limit is gone");
        assert_eq!(wider(&["**.x"], &["**.x", "a.x: allow GET /**"]), 1, "a wide rule takes its place");
        assert_eq!(wider(&["**.x", "a.x: allow GET /**"], &["**.x", "a.x: allow GET /**"]), 0);
        assert_eq!(wider(&["a.x: allow GET /y/**"], &["a.x: allow GET /**"]), 0);
        assert_eq!(wider(&["a.x: allow * /**"], &["a.x: allow GET /**"]), 1);
        assert_eq!(wider(&["a.x: allow GET /**"], &["a.x: deny * /y/**, allow GET /**"]), 1, "a denial is gone");
        assert_eq!(wider(&["a.x: deny * /**, allow GET /**"], &["a.x: deny * /y/**, allow GET /**"]), 0);
        assert_eq!(wider(&["a.x: allow GET /**"], &["**.x: deny * /y", "a.x: allow GET /**"]), 1, "another rule's is");
        assert_eq!(wider(&["a.x: allow GET /**"], &["b.x: deny * /y", "a.x: allow GET /**"]), 0);
        assert_eq!(wider(&["*.x: allow GET /**"], &["a.x: allow GET /**"]), 1);
        assert_eq!(wider(&["a.x:443: allow GET /**"], &["a.x: allow GET /**"]), 0);
    }

    fn mixed_rules() -> impl Strategy<Value = Vec<&'static str>> {
        let all = vec![
            "a.x",
            "**.x",
            "a.x:443",
            "a.x: allow GET /**",
            "a.x: deny * /a, allow GET /**",
            "a.x: allow * /a/**",
            "*.x: allow GET /a",
            "*.x: deny POST /**",
            "**.x: deny GET /A, allow * /**",
            "a.x in 10.0.0.0/8: allow GET /a",
        ];
        prop::collection::vec(prop::sample::select(all), 0..4)
    }

    fn rules() -> impl Strategy<Value = Vec<&'static str>> {
        let all = vec![
            "a.x",
            "*.x",
            "**.x",
            "b.a.x",
            "*.a.x",
            "a.x:443",
            "**.x:80",
            "a.x in 10.0.0.0/8",
            "a.x in 10.1.0.0/16",
            "**",
        ];
        prop::collection::vec(prop::sample::select(all), 0..4)
    }

    proptest! {
        #[test]
        fn a_policy_that_is_not_wider_allows_no_new_request(new in mixed_rules(), old in mixed_rules()) {
            let (new, old) = (mixed(&new), mixed(&old));
            prop_assert!(widenings(Some(&new), Some(&new)).is_empty());
            if !widenings(Some(&new), Some(&old)).is_empty() {
                return Ok(());
            }
            let private = "10.1.0.1".parse().unwrap();
            let hosts = ["x", "a.x", "b.x", "b.a.x"].map(|host| host.parse().unwrap());
            let paths = ["/", "/a", "/A", "/a/b", "/b"].map(|path| RequestPath::new(path).unwrap());
            for (host, path) in hosts.iter().flat_map(|host| paths.iter().map(move |path| (host, path))) {
                for (method, port) in [("GET", Port::TLS), ("POST", Port::TLS), ("GET", Port::HTTP)] {
                    let asked = Asked { method, path };
                    let (now, before) = (new.decide_request(host, port, &asked), old.decide_request(host, port, &asked));
                    prop_assert!(now == Verdict::Denied || before != Verdict::Denied, "{} {:?}", host, asked);
                    prop_assert!(now.check_address(private).is_err() || before.check_address(private).is_ok());
                    // What is read nowhere must not become so.
                    prop_assert!(new.decide(host, port) == Verdict::Denied || old.decide(host, port) != Verdict::Denied);
                }
            }
        }

        /// The promise that approvals rest on.
        #[test]
        fn a_policy_that_is_not_wider_allows_no_new_host(new in rules(), old in rules(), learn in any::<(bool, bool)>()) {
            let mode = |learn| if learn { Mode::Learn } else { Mode::Strict };
            let (new, old) = (policy(mode(learn.0), &new, &[]), policy(mode(learn.1), &old, &[]));
            if widenings(Some(&new), Some(&old)).is_empty() {
                for host in ["x", "a.x", "b.x", "b.a.x", "c.b.a.x", "y"] {
                    for port in [Port::HTTP, Port::TLS] {
                        let name = host.parse().unwrap();
                        let (now, before) = (new.decide(&name, port), old.decide(&name, port));
                        prop_assert!(now == Verdict::Denied || before != Verdict::Denied, "{} {}", host, port);
                        for address in ["10.1.0.1", "10.2.0.1", "203.0.113.1"] {
                            let address = address.parse().unwrap();
                            let was_possible = before != Verdict::Denied && before.check_address(address).is_ok();
                            let is_possible = now != Verdict::Denied && now.check_address(address).is_ok();
                            prop_assert!(!is_possible || was_possible, "{} {} {}", host, port, address);
                        }
                    }
                }
            }
            prop_assert!(widenings(Some(&new), Some(&new)).is_empty());
        }
    }
}

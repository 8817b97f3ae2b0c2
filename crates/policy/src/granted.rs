//! The grants of a policy.

use super::grant::{Grant, GrantedHost};
use super::name::HostName;
use super::policy::{InvalidPolicy, Policy};
use super::port::Port;
use super::request_rule::{Asked, Effect, effect};

impl Policy {
    /// The policy with grants.
    ///
    /// # Errors
    /// If two of them concern one host: it would not be clear which credential goes there.
    pub fn with_grants(mut self, mut grants: Vec<Grant>) -> Result<Self, InvalidPolicy> {
        grants.sort_by(|one, other| one.name.cmp(&other.name));
        for (at, grant) in grants.iter().enumerate() {
            for (other, host) in grants[..at].iter().flat_map(|it| it.hosts.iter().map(move |host| (it, host))) {
                if grant.hosts.iter().any(|it| it.host.hosts.intersects(&host.host.hosts)) {
                    let (first, second) = (other.name.clone(), grant.name.clone());
                    return Err(InvalidPolicy::TwoGrants { first, second, host: host.host.clone() });
                }
            }
        }
        self.grants = grants;
        Ok(self)
    }

    /// Sorted by name.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// The grant whose hosts include a host, on whatever port.
    pub fn grant_of(&self, name: &HostName) -> Option<(&Grant, &GrantedHost)> {
        let all = self.grants.iter().flat_map(|grant| grant.hosts.iter().map(move |host| (grant, host)));
        all.into_iter().find(|(_, host)| host.host.hosts.matches(name))
    }

    /// The grant whose credential belongs into a request, if the request is allowed.
    pub fn grant_for(&self, name: &HostName, port: Port, asked: &Asked<'_>) -> Option<(&Grant, &GrantedHost)> {
        let is_granted = |host: &GrantedHost| {
            let requests = effect(&host.requests, asked, host.case);
            host.host.hosts.matches(name) && requests == Some(Effect::Allow)
        };
        let all = self.grants.iter().flat_map(|grant| grant.hosts.iter().map(move |host| (grant, host)));
        all.into_iter().find(|(_, host)| port == Port::TLS && is_granted(host))
    }

    /// Whether a text has the placeholder of a grant that does not concern a host.
    pub fn has_foreign_placeholder(&self, name: &HostName, text: &[u8]) -> bool {
        let own = self.grant_of(name).map(|(grant, _)| &grant.placeholder);
        let has = |placeholder: &String| text.windows(placeholder.len()).any(|part| part == placeholder.as_bytes());
        self.grants.iter().map(|grant| &grant.placeholder).any(|it| Some(it) != own && has(it))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::grant::{GrantOptions, find};
    use super::super::{Case, Entry, Mode, RequestPath, Rule, Verdict, Widening, widenings};
    use super::*;

    fn github(repos: &[&str], write: bool) -> Grant {
        let repos = repos.iter().map(|it| it.parse().unwrap()).collect();
        find("github").unwrap().grant(&GrantOptions { repos, write }).unwrap()
    }

    fn policy(rules: &[&str], grants: Vec<Grant>) -> Policy {
        let rule = |text: &&str| match text.split_once(": ") {
            Some((host, requests)) => Rule::with_requests(host, &requests.split(", ").collect::<Vec<_>>()).unwrap(),
            None => text.parse().unwrap(),
        };
        let entries = rules.iter().map(|it| Entry::from(&rule(it))).collect();
        Policy::new(Mode::Strict, entries, Vec::new()).unwrap().with_grants(grants).unwrap()
    }

    fn decide<'a>(policy: &'a Policy, host: &str, port: Port, method: &str, path: &str) -> (Verdict<'a>, bool) {
        let (host, path) = (host.parse().unwrap(), RequestPath::new(path).unwrap());
        let asked = Asked { method, path: &path };
        (policy.decide_request(&host, port, &asked), policy.grant_for(&host, port, &asked).is_some())
    }

    #[test]
    fn a_granted_host_is_decided_by_its_grant_and_rules_for_requests() {
        let policy =
            policy(&["@github", "github.com: allow GET /other/**, deny * /me/x/**"], vec![github(&["me/x"], true)]);
        let is_allowed = |it: (Verdict, bool)| (it.0 != Verdict::Denied, it.1);
        let of = |method: &str, path: &str| is_allowed(decide(&policy, "github.com", Port::TLS, method, path));
        assert_eq!(of("POST", "/me/x.git/git-receive-pack"), (true, true));
        assert_eq!(of("GET", "/other/y"), (true, false), "allowed without the credential");
        assert_eq!(of("POST", "/me/x/git-receive-pack"), (false, true), "a rule denies it");
        assert_eq!(of("GET", "/third/y"), (false, false), "the preset does not apply");
        let api = |method: &str, path: &str| is_allowed(decide(&policy, "api.github.com", Port::TLS, method, path));
        assert_eq!(api("GET", "/repos/me/x"), (true, true));
        assert_eq!(api("GET", "/user"), (false, false));
        let plain = decide(&policy, "api.github.com", Port::HTTP, "GET", "/repos/me/x");
        assert_eq!(plain, (Verdict::Denied, false), "never in clear");
        for port in [Port::HTTP, Port::TLS] {
            assert_eq!(policy.decide(&"api.github.com".parse().unwrap(), port), Verdict::Denied);
        }
        assert!(policy.knows(&"uploads.github.com".parse().unwrap()));
    }

    #[test]
    fn one_host_has_one_grant() {
        let of = |name: &str| find(name).unwrap().grant(&GrantOptions::default()).unwrap();
        let policy = Policy::new(Mode::Strict, Vec::new(), Vec::new()).unwrap();
        let error = policy.clone().with_grants(vec![of("claude"), of("anthropic")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the grants `anthropic` and `claude` concern the same host: api.anthropic.com:443"
        );
        assert!(policy.with_grants(vec![of("claude"), of("openai")]).is_ok());
    }

    #[test]
    fn a_wider_grant_is_a_widening() {
        let wider = |new: Policy, old: Policy| -> Vec<String> {
            let described = |widening| match widening {
                Widening::Grant(name) => format!("grant {name}"),
                Widening::Rule { rule, .. } => rule,
                other => format!("{other:?}"),
            };
            widenings(Some(&new), Some(&old)).into_iter().map(described).collect()
        };
        let of = |repos: &[&str], write| policy(&[], vec![github(repos, write)]);
        assert_eq!(wider(of(&["me/x"], false), policy(&[], Vec::new())), ["grant github"]);
        assert_eq!(wider(of(&["me/x"], false), policy(&["**"], Vec::new())), ["grant github"], "the credential is new");
        assert_eq!(wider(of(&["me/x"], true), of(&["me/x"], false)), ["grant github"]);
        assert_eq!(wider(of(&["me/x", "me/y"], false), of(&["me/x"], false)), ["grant github"]);
        assert_eq!(wider(of(&[], false), of(&["me/x"], true)), ["grant github"]);
        assert!(wider(of(&["me/x"], false), of(&["me/x", "me/y"], true)).is_empty());
        assert!(wider(of(&["Me/X"], false), of(&["me/x"], false)).is_empty(), "the same repository");
        assert!(wider(policy(&[], Vec::new()), of(&["me/x"], false)).is_empty());
        // The host is open again.
        assert_eq!(wider(policy(&["@github"], Vec::new()), policy(&["@github"], vec![github(&[], true)])), ["@github"]);
        let denied = policy(&["api.github.com: deny DELETE /**"], vec![github(&[], true)]);
        assert_eq!(wider(of(&[], true), denied.clone()), ["grant github"], "a denial is gone");
        assert!(wider(denied.clone(), denied).is_empty());
    }

    #[test]
    fn grants_are_part_of_the_policy_and_its_digest() {
        let with = policy(&["a.example"], vec![github(&["me/x"], true)]);
        let text = with.to_json();
        assert_eq!(Policy::from_json(&text).unwrap(), with);
        assert_ne!(with.digest(), policy(&["a.example"], Vec::new()).digest());
        for (part, other) in
            [("\"version\":2", "\"version\":1"), ("allow GET", "deny GET"), (":443", ":22"), ("{value}", "x")]
        {
            assert!(text.contains(part) && Policy::from_json(&text.replacen(part, other, 1)).is_err(), "{part}");
        }
    }

    #[test]
    fn a_placeholder_belongs_to_its_hosts() {
        let policy = policy(&["**"], vec![github(&[], false)]);
        let text = format!("Bearer {}", github(&[], false).placeholder);
        let of = |host: &str, text: &str| policy.has_foreign_placeholder(&host.parse().unwrap(), text.as_bytes());
        assert!(of("evil.example", &text) && !of("api.github.com", &text) && !of("evil.example", "Bearer x"));
    }

    fn policies() -> impl Strategy<Value = Policy> {
        let rules = ["**", "@github", "github.com: allow GET /**", "*.github.com: deny * /repos/me/x, allow GET /**"];
        let grants =
            [(&["me/x"][..], false), (&["me/x"], true), (&["me/x", "you/y"], false), (&[], false), (&[], true)];
        let grants = prop::option::of(prop::sample::select(grants.to_vec()));
        (prop::collection::vec(prop::sample::select(rules.to_vec()), 0..3), grants).prop_map(|(rules, grant)| {
            policy(&rules, grant.into_iter().map(|(repos, write)| github(repos, write)).collect())
        })
    }

    proptest! {
        #[test]
        fn a_policy_that_is_not_wider_gets_no_new_credential(new in policies(), old in policies()) {
            prop_assert!(widenings(Some(&new), Some(&new)).is_empty());
            if !widenings(Some(&new), Some(&old)).is_empty() {
                return Ok(());
            }
            let paths = ["/repos/me/x", "/repos/Me/X", "/repos/you/y", "/repos/me/x/z", "/me/x/info/refs", "/graphql"];
            for (host, path) in ["api.github.com", "github.com", "x.github.com"].iter().flat_map(|it| paths.map(|path| (it, path))) {
                for (method, port) in [("GET", Port::TLS), ("POST", Port::TLS), ("GET", Port::HTTP)] {
                    let (now, before) = (decide(&new, host, port, method, path), decide(&old, host, port, method, path));
                    prop_assert!(now.0 == Verdict::Denied || before.0 != Verdict::Denied, "{method} {host}{path}");
                    prop_assert!(now.0 == Verdict::Denied || !now.1 || before.1, "{method} {host}{path}");
                    let name = host.parse().unwrap();
                    prop_assert!(new.decide(&name, port) == Verdict::Denied || old.decide(&name, port) != Verdict::Denied);
                }
            }
        }
    }

    #[test]
    fn a_custom_grant_compares_paths_with_their_case() {
        let format = super::super::HeaderFormat::new("x-token", "{value}").unwrap();
        let requests = vec!["allow GET /a/**".parse().unwrap()];
        let host = GrantedHost::new("x.example".parse().unwrap(), requests, Case::Exact, format, Vec::new()).unwrap();
        let grant = Grant::new("mine".parse().unwrap(), "placeholder-0".into(), vec![host]).unwrap();
        let policy = policy(&[], vec![grant]);
        assert!(decide(&policy, "x.example", Port::TLS, "GET", "/a/b").1);
        assert!(!decide(&policy, "x.example", Port::TLS, "GET", "/A/b").1);
    }
}

//! Pulls that a policy allows: which hosts are those of registries.

use super::host_rule::HostRule;
use super::name::HostName;
use super::policy::{Entry, Policy};
use super::port::Port;
use super::registry::REGISTRY;

impl Entry {
    /// Whether the rule is for a registry.
    pub fn is_registry(&self) -> bool {
        self.rule.starts_with(REGISTRY)
    }
}

impl Policy {
    /// Whether a host is that of a registry, whose redirects the gateway follows.
    pub fn is_registry(&self, name: &HostName, port: Port) -> bool {
        port == Port::TLS && self.registry_hosts().any(|host| host.hosts.matches(name))
    }

    /// Whether a rule names a registry.
    pub fn has_registries(&self) -> bool {
        self.registry_hosts().next().is_some()
    }

    pub(crate) fn registry_hosts(&self) -> impl Iterator<Item = &HostRule> {
        self.entries.iter().filter(|entry| entry.is_registry()).flat_map(|entry| &entry.hosts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Asked, Mode, RequestPath, Rule, Verdict, widenings};
    use super::*;

    fn policy(rules: &[&str]) -> Policy {
        let entries = rules.iter().map(|rule| Entry::from(&rule.parse::<Rule>().unwrap())).collect();
        Policy::new(Mode::Strict, entries, Vec::new()).unwrap()
    }

    #[test]
    fn a_registry_allows_what_a_pull_requests() {
        let policy = policy(&["registry docker.io", "registry ghcr.io in 10.0.0.0/8"]);
        let table = [
            ("registry-1.docker.io", "GET", "/v2/", true),
            ("registry-1.docker.io", "GET", "/v2/library/busybox/manifests/latest", true),
            ("registry-1.docker.io", "HEAD", "/v2/library/busybox/blobs/sha256:1", true),
            ("ghcr.io", "GET", "/v2/a/b/blobs/sha256:1", true),
            ("ghcr.io", "GET", "/v2/_catalog", false),
            ("ghcr.io", "GET", "/v1/search", false),
            ("ghcr.io", "GET", "/", false),
            ("ghcr.io", "POST", "/v2/a/b/blobs/uploads/", false),
            ("ghcr.io", "PUT", "/v2/a/b/manifests/latest", false),
            ("ghcr.io", "DELETE", "/v2/a/b/manifests/latest", false),
            ("docker.io", "GET", "/v2/", false),
        ];
        for (host, method, path, expected) in table {
            let path = RequestPath::new(path).unwrap();
            let verdict = policy.decide_request(&host.parse().unwrap(), Port::TLS, &Asked { method, path: &path });
            assert_eq!(matches!(verdict, Verdict::Allowed(_)), expected, "{method} {host} {path:?}");
        }
        let name = "ghcr.io".parse().unwrap();
        assert_eq!(policy.decide(&name, Port::TLS), Verdict::Denied, "not unread, and so not to write to");
        assert_eq!(policy.decide(&name, Port::HTTP), Verdict::Denied);
        assert!(policy.is_registry(&name, Port::TLS) && !policy.is_registry(&name, Port::HTTP));
        assert!(policy.has_registries());
    }

    #[test]
    fn redirects_are_a_widening_of_the_same_requests() {
        let requests = Rule::with_requests("ghcr.io", &["allow GET /v2/**", "allow HEAD /v2/**"]).unwrap();
        let old = Policy::new(Mode::Strict, vec![Entry::from(&requests)], Vec::new()).unwrap();
        let new = policy(&["registry ghcr.io"]);
        assert_eq!(widenings(Some(&new), Some(&old)).len(), 1);
        assert_eq!(widenings(Some(&new), Some(&policy(&["registry ghcr.io", "registry quay.io"]))), []);
        assert_eq!(widenings(Some(&new), Some(&policy(&["registry quay.io"]))).len(), 1);
        assert_eq!(widenings(Some(&new), Some(&policy(&["**"]))).len(), 1);
    }
}

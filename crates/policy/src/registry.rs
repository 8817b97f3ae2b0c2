//! Registries of images: `registry ghcr.io` allows to pull from it, wherever the registry keeps its files.
//!
//! The rule stands for rules for requests to the registry's host. The gateway follows its redirects, so that the hosts with
//! the files need no rules.

use super::host_rule::HostRule;
use super::invalid_rule::InvalidRule;
use super::port::Port;
use super::request_rule::RequestRule;

/// How such a rule begins. No other rule has a space after its first word, but for `in`.
pub(crate) const REGISTRY: &str = "registry ";

/// Docker Hub as users write it, and the host that has its images.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// All that a pull requests; never a list of all repositories, and nothing that changes the registry.
const REQUESTS: [&str; 3] = ["deny * /v2/_catalog", "allow GET /v2/**", "allow HEAD /v2/**"];

/// The registry of a rule, from the text after the first word.
pub(crate) fn parse(text: &str) -> Result<HostRule, InvalidRule> {
    let rule: HostRule = text.parse()?;
    match rule.port {
        Some(port) if port != Port::TLS => Err(InvalidRule::RegistryPort(port)),
        _ if rule.hosts.single_name().is_none() => Err(InvalidRule::RegistryPattern),
        _ => Ok(HostRule { port: None, ..rule }),
    }
}

/// The host with the images of a registry.
pub(crate) fn host(rule: &HostRule) -> HostRule {
    let is_hub = rule.hosts.single_name().is_some_and(|name| name.as_str() == DOCKER_HUB.0);
    let hosts = if is_hub { DOCKER_HUB.1.parse().ok() } else { None };
    HostRule { hosts: hosts.unwrap_or_else(|| rule.hosts.clone()), port: Some(Port::TLS), within: rule.within }
}

/// The rules for requests to a registry.
pub(crate) fn requests() -> Vec<RequestRule> {
    REQUESTS.into_iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Rule;

    #[test]
    fn a_registry_is_printed_as_it_is_written_and_round_trips() {
        for (text, expected) in [
            ("registry ghcr.io", "registry ghcr.io"),
            (" registry  GHCR.io:443 ", "registry ghcr.io"),
            ("registry r.corp.example in 10.1.2.3", "registry r.corp.example in 10.1.2.3"),
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), expected);
            assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule);
            assert_eq!(Rule::requests_of(expected).unwrap(), rule.requests());
        }
        for (text, hint) in [
            ("registry", "registry ghcr.io"),
            ("registry *.ghcr.io", "one registry"),
            ("registry r.example:5000", "port 443"),
            ("registry https://ghcr.io", "only the host"),
            ("registry ghcr.io/owner", "the host alone"),
        ] {
            let error = text.parse::<Rule>().expect_err(text);
            assert!(error.hint().contains(hint), "{text}: {} ({error})", error.hint());
        }
    }
}

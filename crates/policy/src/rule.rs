//! Rules as users write them: `example.com`, `**.example.com`, `git.example.com:22`, `db.corp.example:5432 in 10.0.0.0/8`, `@npm`,
//! `registry ghcr.io`.
//!
//! One rule is one text. Whether several rules fit together is checked by [`super::Policy`].

use std::fmt;
use std::str::FromStr;

use super::host_rule::HostRule;
use super::invalid_rule::InvalidRule;
use super::port::Port;
use super::preset;
use super::preset_names::similar_to;
use super::registry::{self, REGISTRY};
use super::request_rule::{InvalidRequest, RequestRule};

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    Host(HostRule),
    /// `@NAME`; the preset exists.
    Preset(&'static str),
    /// A host, and rules for requests to it.
    Requests(HostRule, Vec<RequestRule>),
    /// A registry as it is written, and the requests of a pull.
    Registry(HostRule, Vec<RequestRule>),
}

impl Rule {
    /// A rule for requests to a host. The first text that matches a request decides; without a match it is denied.
    ///
    /// # Errors
    /// If the host or one of the texts is invalid.
    pub fn with_requests(host: &str, requests: &[&str]) -> Result<Self, InvalidRule> {
        let host: HostRule = host.parse()?;
        let requests = requests.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?;
        if requests.is_empty() {
            return Err(InvalidRequest::Empty.into());
        }
        if !host.ports().all(Port::names_its_host) {
            return Err(InvalidRequest::Port.into());
        }
        Ok(Self::Requests(host, requests))
    }

    /// The rules for requests; empty: all requests are allowed.
    pub fn requests(&self) -> &[RequestRule] {
        match self {
            Self::Requests(_, requests) | Self::Registry(_, requests) => requests,
            Self::Host(_) | Self::Preset(_) => &[],
        }
    }

    /// The rules for requests in a printed rule.
    ///
    /// # Errors
    /// If one is invalid.
    pub fn requests_of(printed: &str) -> Result<Vec<RequestRule>, InvalidRequest> {
        if printed.starts_with(REGISTRY) {
            return Ok(registry::requests());
        }
        match printed.split_once(": ") {
            Some((_, requests)) => requests.split(", ").map(str::parse).collect(),
            None => Ok(Vec::new()),
        }
    }

    /// The hosts: those of the preset, or this one.
    pub fn hosts(&self) -> Vec<HostRule> {
        match self {
            Self::Host(rule) | Self::Requests(rule, _) => vec![rule.clone()],
            Self::Registry(rule, _) => vec![registry::host(rule)],
            Self::Preset(name) => preset::find(name).map(|it| it.hosts).unwrap_or_default(),
        }
    }
}

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let text = text.trim();
        if text == REGISTRY.trim() {
            return Err(InvalidRule::RegistryPattern);
        }
        if let Some(rest) = text.strip_prefix(REGISTRY) {
            return Ok(Self::Registry(registry::parse(rest)?, registry::requests()));
        }
        match text.strip_prefix('@') {
            Some(name) => match preset::names().find(|it| *it == name) {
                Some(name) => Ok(Self::Preset(name)),
                None => Err(InvalidRule::Preset { name: name.to_owned(), similar: similar_to(name) }),
            },
            None => Ok(Self::Host(text.parse()?)),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(rule) => rule.fmt(f),
            Self::Preset(name) => write!(f, "@{name}"),
            Self::Registry(rule, _) => write!(f, "{REGISTRY}{rule}"),
            Self::Requests(rule, requests) => {
                let requests: Vec<String> = requests.iter().map(ToString::to_string).collect();
                write!(f, "{rule}: {}", requests.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(text: &str) -> String {
        text.parse::<Rule>().unwrap().to_string()
    }

    #[test]
    fn rules_are_printed_in_their_shortest_form() {
        let table = [
            ("example.com", "example.com"),
            (" Example.COM. ", "example.com"),
            ("**.example.com:443", "**.example.com:443"),
            ("git.example.com:022", "git.example.com:22"),
            ("db.example:5432  in 10.9.9.9/8", "db.example:5432 in 10.0.0.0/8"),
            ("db.example in 10.9.9.9", "db.example in 10.9.9.9"),
            ("db.example in fd12::/16", "db.example in fd12::/16"),
            ("metadata.example:80 in 169.254.169.254", "metadata.example:80 in 169.254.169.254"),
            ("x in 0.0.0.0/0", "x in 0.0.0.0/0"),
            ("**", "**"),
            ("@npm", "@npm"),
        ];
        for (text, expected) in table {
            assert_eq!(printed(text), expected, "{text}");
        }
    }

    #[test]
    fn each_error_has_a_remedy() {
        let table = [
            ("https://example.com/x", "a rule cannot be a URL", "only the host"),
            ("example.com/x", "no method and no path", "the host alone"),
            ("allow GET /x", "no method and no path", "the host alone"),
            ("deny", "no method and no path", "the host alone"),
            ("@nmp", "unknown preset `@nmp`", "did you mean `@npm`?"),
            ("@NPM", "unknown preset `@NPM`", "did you mean `@npm`?"),
            ("@zzzzzzzz", "unknown preset", "`@crates`, "),
            ("1.2.3.4", "is an address", "NAME in ADDRESS"),
            ("1.2.3.4:80", "is an address", "NAME in ADDRESS"),
            ("[::1]:80", "cannot be part of a host name", "expected"),
            ("fd00::1", "is an address", "NAME in ADDRESS"),
            ("bücher.example", "not ASCII", "xn--"),
            ("*", "cannot be `*`", "`**` is every host"),
            ("api*.example.com", "whole label", "expected"),
            ("example.com:0", "`0` is not a port", "65535"),
            ("example.com:+22", "`+22` is not a port", "65535"),
            ("example.com:99999", "is not a port", "65535"),
            ("example.com:", "`` is not a port", "65535"),
            ("example.com:53", "port 53", "no rule"),
            ("*.example.com:22", "port 22 is possible only for a single host", "without `*`"),
            ("x in 10.0.0.0/99", "is not an address range", "in 10.0.0.0/8"),
            ("x in", "is not an address range", "in 10.0.0.0/8"),
            ("x in 10.0.0.0/8 y", "is not an address range", "in 10.0.0.0/8"),
            ("x in 127.0.0.1", "a loopback address cannot be allowed", "private range"),
            ("x in 224.0.0.1", "a multicast address cannot be allowed", "private range"),
            ("localhost", "is not reached by a rule", "network.host"),
            ("host.docker.internal:8080", "is not reached by a rule", "network.host"),
            ("", "empty", "expected"),
        ];
        for (text, message, hint) in table {
            let error = text.parse::<Rule>().expect_err(text);
            let (shown, help) = (error.to_string(), error.hint());
            assert!(shown.contains(message), "{text}: {shown}");
            assert!(help.contains(hint), "{text}: {help}");
        }
    }

    #[test]
    fn a_rule_for_requests_is_printed_with_them() {
        let rule = Rule::with_requests("API.example", &["allow  GET /x/**", "deny * /**"]).unwrap();
        assert_eq!(rule.to_string(), "api.example: allow GET /x/**, deny * /**");
        assert_eq!(Rule::requests_of(&rule.to_string()).unwrap(), rule.requests());
        assert!(Rule::requests_of("db.example:5432 in 10.0.0.0/8").unwrap().is_empty());
        for (host, requests, hint) in [
            ("api.example", &[][..], "the host alone"),
            ("api.example:22", &["allow GET /"], "remove the port"),
            ("api.example", &["allow get /"], "capital letters"),
            ("@npm", &["allow GET /"], "expected `example.com`"),
        ] {
            assert!(Rule::with_requests(host, requests).unwrap_err().hint().contains(hint), "{host} {requests:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_rule_that_round_trips_or_an_error_with_a_hint(text in "[a-z*.:/@ 0-9\\[\\]é-]{0,30}") {
            match text.parse::<Rule>() {
                Ok(rule) => prop_assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule),
                Err(error) => prop_assert!(!error.hint().is_empty() && !error.to_string().is_empty()),
            }
        }
    }
}

//! Rules as users write them: `example.com`, `**.example.com`, `git.example.com:22`, `db.corp.example:5432 in 10.0.0.0/8`, `@npm`.
//!
//! One rule is one text. Whether several rules fit together is checked by [`super::Policy`].

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::address::{self, Refusal};
use super::name::InvalidName;
use super::pattern::{HostPattern, InvalidPattern};
use super::policy::HOST;
use super::port::Port;
use super::preset;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    Host(HostRule),
    /// `@NAME`; the preset exists.
    Preset(&'static str),
}

/// Hosts that can be reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostRule {
    pub hosts: HostPattern,
    /// `None`: the ports of HTTP and TLS.
    pub port: Option<Port>,
    /// The private addresses that the hosts may resolve to.
    pub within: Option<IpNet>,
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    #[error("a rule cannot be a URL")]
    Url,
    #[error("rules with methods or paths are not supported yet")]
    Request,
    #[error("unknown preset `@{name}`")]
    Preset { name: String, similar: Option<&'static str> },
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    #[error("`{0}` is not a port")]
    Port(String),
    #[error("port 53 is the gateway's own")]
    DnsPort,
    #[error("port {0} can only lead to a single host")]
    SharedPort(Port),
    #[error("`{0}` is not an address range")]
    Range(String),
    #[error("{0} cannot be allowed")]
    Unreachable(Refusal),
    #[error("`{0}` is not reached by a rule")]
    DockerHost(String),
}

/// Names that mean the Docker host or the container itself.
const LOCAL_NAMES: [&str; 2] = [HOST, "localhost"];

/// The methods of a rule for HTTP requests, and its two verdicts.
const REQUEST_WORDS: [&str; 2] = ["allow", "deny"];

impl HostRule {
    /// The ports that the rule allows.
    pub fn ports(&self) -> impl Iterator<Item = Port> + use<> {
        let (first, second) = match self.port {
            Some(port) => (port, None),
            None => (Port::HTTP, Some(Port::TLS)),
        };
        std::iter::once(first).chain(second)
    }
}

impl Rule {
    /// The hosts: those of the preset, or this one.
    pub fn hosts(&self) -> Vec<HostRule> {
        match self {
            Self::Host(rule) => vec![rule.clone()],
            Self::Preset(name) => preset::find(name).map(|it| it.hosts).unwrap_or_default(),
        }
    }
}

impl InvalidRule {
    /// How to fix it.
    pub fn hint(&self) -> String {
        match self {
            Self::Url => "write only the host: `example.com`".into(),
            Self::Request => "allow the whole host: `example.com`".into(),
            Self::Preset { similar: Some(similar), .. } => format!("did you mean `@{similar}`?"),
            Self::Preset { similar: None, .. } => {
                let all: Vec<String> = preset::names().map(|name| format!("`@{name}`")).collect();
                format!("the presets are {}", all.join(", "))
            }
            Self::Pattern(InvalidPattern::Name(InvalidName::Address(_))) => {
                "sandboxes reach hosts by name; to let a name lead to a private address, write `NAME in ADDRESS`".into()
            }
            Self::Pattern(InvalidPattern::Name(InvalidName::NotAscii(_))) => {
                "write the name in its ASCII form, which starts with `xn--`".into()
            }
            Self::Pattern(InvalidPattern::Last) => {
                "`**` is every host; `*.example.com` is one label below a domain".into()
            }
            Self::Pattern(_) => "expected `example.com`, `*.example.com`, `**.example.com` or `@PRESET`".into(),
            Self::Port(_) => "expected a port from 1 to 65535: `example.com:22`".into(),
            Self::DnsPort => "names are resolved by the gateway; no rule is needed".into(),
            Self::SharedPort(_) => {
                "only HTTP on port 80 and TLS on port 443 name their host: write one host without `*`".into()
            }
            Self::Range(_) => "expected `NAME in 10.0.0.0/8` or `NAME in 10.0.0.5`".into(),
            Self::Unreachable(_) => "expected a private range such as `10.0.0.0/8`".into(),
            Self::DockerHost(_) => "name the ports of the Docker host in `network.host`".into(),
        }
    }
}

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let text = text.trim();
        match text.strip_prefix('@') {
            Some(name) => match preset::names().find(|it| *it == name) {
                Some(name) => Ok(Self::Preset(name)),
                None => Err(InvalidRule::Preset { name: name.to_owned(), similar: preset::similar_to(name) }),
            },
            None => Ok(Self::Host(text.parse()?)),
        }
    }
}

impl FromStr for HostRule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        if text.contains("://") {
            return Err(InvalidRule::Url);
        }
        let mut words = text.split_whitespace();
        let target = words.next().unwrap_or_default();
        let within = match (words.next(), words.next(), words.next()) {
            (None, ..) => None,
            (Some("in"), Some(range), None) => Some(parse_range(range)?),
            (Some("in"), ..) => return Err(InvalidRule::Range(text.to_owned())),
            _ => return Err(InvalidRule::Request),
        };
        if target.contains('/') || REQUEST_WORDS.contains(&target) {
            return Err(InvalidRule::Request);
        }
        let (hosts, port) = match target.rsplit_once(':') {
            // More than one colon: an IPv6 address, which the pattern rejects as such.
            Some((hosts, port)) if !hosts.contains(':') => (hosts, Some(parse_port(port)?)),
            _ => (target, None),
        };
        let address = hosts.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if address.is_ok() {
            return Err(InvalidPattern::Name(InvalidName::Address(hosts.to_owned())).into());
        }
        let hosts: HostPattern = hosts.parse()?;
        check(HostRule { hosts, port, within })
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hosts.fmt(f)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match self.within {
            Some(range) if range.prefix_len() == range.max_prefix_len() => write!(f, " in {}", range.addr()),
            Some(range) => write!(f, " in {range}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(rule) => rule.fmt(f),
            Self::Preset(name) => write!(f, "@{name}"),
        }
    }
}

fn check(rule: HostRule) -> Result<HostRule, InvalidRule> {
    let name = rule.hosts.single_name();
    if let Some(name) = name.as_ref().filter(|name| LOCAL_NAMES.contains(&name.as_str())) {
        return Err(InvalidRule::DockerHost(name.to_string()));
    }
    match rule.port {
        Some(Port::DNS) => Err(InvalidRule::DnsPort),
        Some(port) if !port.names_its_host() && name.is_none() => Err(InvalidRule::SharedPort(port)),
        _ => Ok(rule),
    }
}

fn parse_port(text: &str) -> Result<Port, InvalidRule> {
    // `parse` would accept `+22`.
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or_else(|| InvalidRule::Port(text.to_owned()))
}

fn parse_range(text: &str) -> Result<IpNet, InvalidRule> {
    let range = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| InvalidRule::Range(text.to_owned()))?.trunc(),
    };
    match address::refusal(range.addr()) {
        Some(refusal) if !refusal.can_be_allowed() && range.prefix_len() > 0 => Err(InvalidRule::Unreachable(refusal)),
        _ => Ok(range),
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
    fn each_error_says_what_to_write() {
        let table = [
            ("https://example.com/x", "a rule cannot be a URL", "only the host"),
            ("example.com/x", "methods or paths", "the whole host"),
            ("allow GET /x", "methods or paths", "the whole host"),
            ("deny", "methods or paths", "the whole host"),
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
            ("*.example.com:22", "port 22 can only lead to a single host", "without `*`"),
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
            let (told, help) = (error.to_string(), error.hint());
            assert!(told.contains(message), "{text}: {told}");
            assert!(help.contains(hint), "{text}: {help}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_rule_that_parses_as_printed_or_an_error_with_a_hint(text in "[a-z*.:/@ 0-9\\[\\]é-]{0,30}") {
            match text.parse::<Rule>() {
                Ok(rule) => prop_assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule),
                Err(error) => prop_assert!(!error.hint().is_empty() && !error.to_string().is_empty()),
            }
        }
    }
}

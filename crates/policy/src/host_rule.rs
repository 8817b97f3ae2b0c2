//! A rule for hosts: a pattern, and optionally a port and a range of private addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::address;
use super::invalid_rule::InvalidRule;
use super::name::{HOST, InvalidName};
use super::pattern::{HostPattern, InvalidPattern};
use super::port::Port;

/// Hosts that can be reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostRule {
    pub hosts: HostPattern,
    /// `None`: the ports of HTTP and TLS.
    pub port: Option<Port>,
    /// The private addresses that the hosts may resolve to.
    pub within: Option<IpNet>,
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

impl HostRule {
    /// Whether the private addresses include those of another rule.
    pub(crate) fn has_addresses_of(&self, other: &Self) -> bool {
        match (self.within, other.within) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(mine), Some(theirs)) => mine.contains(&theirs),
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

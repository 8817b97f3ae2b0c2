//! Grants: requests to hosts into which the gateway puts a credential.
//!
//! A grant names no value. The gateway has values in memory only, and a program in the sandbox has a placeholder.

mod files;
mod header;
mod invalid;
mod provider;
mod row;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::host_rule::HostRule;
use super::path::Case;
use super::port::Port;
use super::request_rule::{self, Effect, RequestRule};

pub use files::names;
pub use header::{HeaderFormat, InvalidFormat};
pub use invalid::InvalidGrant;
pub use provider::{GrantOptions, Provider, Repository, find};
pub use row::GrantRow;

/// The name of a grant: that of its provider, or the user's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GrantName(String);

/// A credential, and the requests that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub name: GrantName,
    /// What a program in the sandbox has in place of the value.
    pub placeholder: String,
    pub hosts: Vec<GrantedHost>,
    /// `grant NAME`, as reports name it.
    pub(crate) rule: String,
}

/// Hosts of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedHost {
    /// On the port of TLS: no credential goes out in clear.
    pub host: HostRule,
    /// The same hosts on the port of HTTP, where nothing is granted.
    pub(crate) plain: HostRule,
    /// What is allowed. Nothing is denied here.
    pub requests: Vec<RequestRule>,
    /// Whether paths are compared with their case.
    pub case: Case,
    pub format: HeaderFormat,
    /// Parameters of the query that are credentials.
    pub query: Vec<String>,
}

/// Longer than the name of any provider.
const NAME_MAX: usize = 40;

/// Far more than any provider's.
const PLACEHOLDER_MAX: usize = 256;

/// Shorter ones would be found in harmless text.
const PLACEHOLDER_MIN: usize = 12;

impl Grant {
    /// # Errors
    /// If there is no host, or a placeholder that cannot be a header.
    pub fn new(name: GrantName, placeholder: String, hosts: Vec<GrantedHost>) -> Result<Self, InvalidGrant> {
        let is_plain = placeholder.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        if !is_plain || !(PLACEHOLDER_MIN..=PLACEHOLDER_MAX).contains(&placeholder.len()) {
            return Err(InvalidGrant::Placeholder);
        }
        if hosts.is_empty() {
            return Err(InvalidGrant::NoHost(name));
        }
        let rule = format!("grant {name}");
        Ok(Self { name, placeholder, hosts, rule })
    }

    /// Whether an old grant puts the same credential into every request that this one does.
    pub(crate) fn is_covered_by(&self, old: &Self) -> bool {
        let is_covered = |new: &GrantedHost| old.hosts.iter().any(|old| old.covers(new));
        self.name == old.name && self.hosts.iter().all(is_covered)
    }
}

impl GrantedHost {
    /// # Errors
    /// If the host has another port than that of TLS, or a rule denies.
    pub fn new(
        host: HostRule,
        requests: Vec<RequestRule>,
        case: Case,
        format: HeaderFormat,
        query: Vec<String>,
    ) -> Result<Self, InvalidGrant> {
        if !matches!(host.port, None | Some(Port::TLS)) {
            return Err(InvalidGrant::Port(host.to_string()));
        }
        if requests.is_empty() || requests.iter().any(|rule| rule.effect == Effect::Deny) {
            return Err(InvalidGrant::Requests(host.to_string()));
        }
        let plain = HostRule { port: Some(Port::HTTP), ..host.clone() };
        let host = HostRule { port: Some(Port::TLS), ..host };
        Ok(Self { host, plain, requests, case, format, query })
    }

    fn covers(&self, new: &Self) -> bool {
        let requests = |it: &'_ Self| it.requests.clone();
        let (old, now) = (requests(self), requests(new));
        self.host.hosts.covers(&new.host.hosts)
            && self.host.has_addresses_of(&new.host)
            && self.format == new.format
            && self.query == new.query
            && (self.case == new.case || self.case == Case::Ignored)
            && request_rule::covers(&old.iter().collect::<Vec<_>>(), &now.iter().collect::<Vec<_>>(), self.case)
    }
}

impl FromStr for GrantName {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, InvalidGrant> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let is_name = is_plain && text.starts_with(|first: char| first.is_ascii_lowercase()) && text.len() <= NAME_MAX;
        if is_name { Ok(Self(text.to_owned())) } else { Err(InvalidGrant::Name(text.to_owned())) }
    }
}

impl TryFrom<String> for GrantName {
    type Error = InvalidGrant;

    fn try_from(text: String) -> Result<Self, InvalidGrant> {
        text.parse()
    }
}

impl From<GrantName> for String {
    fn from(name: GrantName) -> Self {
        name.0
    }
}

impl GrantName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GrantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

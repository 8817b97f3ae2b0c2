//! Host names: as a rule, a query, a `Host` header or a TLS handshake gives them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of the Docker host in a sandbox.
pub const HOST: &str = "host.docker.internal";

/// The domain of a gateway's own names. The names in it are denied but for one, so that a proof has a denied name.
const RESERVED: &str = "moat.internal";

/// A host name in lowercase, without the final dot. Never an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

/// Why a text is no host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("the host name is empty")]
    Empty,
    #[error("the host name has {0} bytes; the maximum is {NAME_MAX}")]
    TooLong(usize),
    #[error("`{0}` is an address, not a host name")]
    Address(String),
    #[error("`{0}` is not ASCII")]
    NotAscii(String),
    #[error("`{0}` cannot be part of a host name")]
    Label(String),
}

/// The limit of DNS, without the root.
const NAME_MAX: usize = 253;

/// The limit of DNS for one label.
const LABEL_MAX: usize = 63;

impl HostName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From the most general to the most specific.
    pub(crate) fn labels_from_the_right(&self) -> impl Iterator<Item = &str> {
        self.0.rsplit('.')
    }

    /// Whether the name is one of a gateway's own, which no rule allows.
    pub fn is_reserved(&self) -> bool {
        self.0.strip_suffix(RESERVED).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Whether the name has one label, such as `buildkit`. No such name is public.
    pub fn is_single_label(&self) -> bool {
        !self.0.contains('.')
    }
}

impl FromStr for HostName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let name = text.strip_suffix('.').unwrap_or(text);
        check_length(name)?;
        for label in name.split('.') {
            check_label(label)?;
        }
        if is_number(name.rsplit('.').next().unwrap_or_default()) {
            return Err(InvalidName::Address(text.to_owned()));
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl TryFrom<String> for HostName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Checks the length of a name or pattern.
pub(crate) fn check_length(name: &str) -> Result<(), InvalidName> {
    match name.len() {
        0 => Err(InvalidName::Empty),
        1..=NAME_MAX => Ok(()),
        length => Err(InvalidName::TooLong(length)),
    }
}

/// Accepts letters, digits, `-` and `_`. Underscores are not in the standard for host names, but in use.
pub(crate) fn check_label(label: &str) -> Result<(), InvalidName> {
    if !label.is_ascii() {
        return Err(InvalidName::NotAscii(label.to_owned()));
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if label.is_empty() || label.len() > LABEL_MAX || !label.bytes().all(is_allowed) {
        return Err(InvalidName::Label(label.to_owned()));
    }
    Ok(())
}

/// Whether a last label makes the name an address for resolvers and browsers: `1.2.3.4`, `127.1`, `0x7f000001`.
pub(crate) fn is_number(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    let (digits, is_digit): (&str, fn(u8) -> bool) = match lower.strip_prefix("0x") {
        Some(rest) => (rest, |byte| byte.is_ascii_hexdigit()),
        None => (&lower, |byte| byte.is_ascii_digit()),
    };
    lower == "0x" || (!digits.is_empty() && digits.bytes().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_final_dot() {
        for text in ["Example.COM", "example.com.", "example.com"] {
            assert_eq!(text.parse::<HostName>().unwrap().as_str(), "example.com");
        }
    }

    #[test]
    fn addresses_in_any_notation_are_no_names() {
        for text in ["1.2.3.4", "127.1", "2130706433", "0x7f000001", "0x7f.1", "127.0.0.0x1", "1.2.3.4.", "0x"] {
            assert!(matches!(text.parse::<HostName>(), Err(InvalidName::Address(_))), "{text}");
        }
        for text in ["::1", "[::1]", "fe80::1%eth0"] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
        assert!("1.2.3.4.example".parse::<HostName>().is_ok());
        assert!("0xyz".parse::<HostName>().is_ok());
    }

    #[test]
    fn invalid_names_are_rejected() {
        let long = format!("{}.com", "a".repeat(64));
        let many = ["a"; 128].join(".");
        for text in
            ["", ".", "..", "a..b", ".a", "a b", "a/b", "a:80", "a\0b", "*.a", "münchen.de", "a@b", &long, &many]
        {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
    }
}

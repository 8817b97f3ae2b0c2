//! Ports of a container that can be reached from the engine's machine.
//!
//! Which port of the machine is free is not known here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A port that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortConfig {
    /// What the user calls it. Only to be shown, hence no part of the canonical form.
    pub name: Option<String>,
    pub container: Port,
    /// An address of the engine's machine.
    pub address: IpAddr,
    pub host: HostPort,
}

/// A port and its protocol, as in `8080/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    pub number: u16,
    pub protocol: Protocol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// Why a text is not a port with a protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a port")]
pub struct PortError(String);

/// The port of the engine's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPort {
    /// One that is free when the container is created, kept from then on.
    Free,
    Fixed(u16),
}

/// Only this machine reaches it.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl PortConfig {
    /// How the port is published, in the canonical form: `127.0.0.1:8080`, or `127.0.0.1:free`.
    pub fn published(&self) -> String {
        let address = match self.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        match self.host {
            HostPort::Free => format!("{address}:free"),
            HostPort::Fixed(port) => format!("{address}:{port}"),
        }
    }
}

impl Protocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol.as_str())
    }
}

impl FromStr for Port {
    type Err = PortError;

    /// Reads `8080`, `8080/tcp` or `53/udp`.
    fn from_str(text: &str) -> Result<Self, PortError> {
        let wrong = || PortError(text.to_owned());
        let (number, protocol) = match text.split_once('/') {
            None | Some((_, "tcp")) => (text.trim_end_matches("/tcp"), Protocol::Tcp),
            Some((number, "udp")) => (number, Protocol::Udp),
            Some(_) => return Err(wrong()),
        };
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse::<u16>().ok().filter(|number| digits && *number > 0).ok_or_else(wrong)?;
        Ok(Self { number, protocol })
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

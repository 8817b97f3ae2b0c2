//! A TCP port that a sandbox can ask for.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A port; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Port(NonZeroU16);

impl Port {
    /// Where the gateway reads the host from each HTTP request.
    pub const HTTP: Self = Self(NonZeroU16::new(80).expect("80 is not 0"));
    /// Where the gateway reads the server name from the TLS handshake.
    pub const TLS: Self = Self(NonZeroU16::new(443).expect("443 is not 0"));
    /// Where the gateway answers DNS queries.
    pub const DNS: Self = Self(NonZeroU16::new(53).expect("53 is not 0"));

    /// Where the gateway is an explicit proxy. Not a port that servers or other proxies use.
    pub const PROXY: Self = Self(NonZeroU16::new(14_128).expect("14128 is not 0"));

    pub fn new(number: u16) -> Option<Self> {
        NonZeroU16::new(number).map(Self)
    }

    pub fn number(self) -> u16 {
        self.0.get()
    }

    /// Whether a connection to this port names its host. If not, the port belongs to one host.
    pub fn names_its_host(self) -> bool {
        self == Self::HTTP || self == Self::TLS
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Port {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

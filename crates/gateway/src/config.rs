//! The configuration of a gateway: a JSON file that moat writes at the creation of the container.
//!
//! Only what cannot change without a new container. Rules come over the control socket.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use moat_policy::{HostName, Port};
use serde::{Deserialize, Serialize};

/// The configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The version of this format.
    pub version: u32,
    /// The gateway's address on the sandbox's network. Outside names lead to it, and it listens there. In a container it
    /// comes from the environment, because it is known only to the plan.
    #[serde(default = "unspecified")]
    pub address: Ipv4Addr,
    /// The name servers for outside names. Empty: those of `/etc/resolv.conf`.
    #[serde(default)]
    pub resolvers: Vec<SocketAddr>,
    /// The run's own names.
    #[serde(default)]
    pub names: BTreeMap<HostName, OwnName>,
    /// The Docker host's address on the gateway's second network. `None`: the one in `/etc/hosts`, if it has one.
    #[serde(default)]
    pub host: Option<IpAddr>,
    /// Published ports of the sandbox.
    #[serde(default)]
    pub relays: Vec<Relay>,
    /// Certificates, in PEM, of further authorities that servers of the agent plane may have.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub roots: String,
    /// The folder for rules, log and control socket.
    pub state: PathBuf,
    /// The folder for the certificates that clients of the agent plane need; the sandbox can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<PathBuf>,
}

/// Where one of the run's own names leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OwnName {
    Addresses(Vec<IpAddr>),
    /// A container whose address the engine's name server knows.
    Container(HostName),
}

/// A published port, relayed into the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// The port of the gateway's container that the engine publishes.
    pub listen: Port,
    pub to: Target,
    pub port: Port,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Target {
    Address(IpAddr),
    Container(HostName),
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConfig {
    #[error("the configuration is not readable: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("the configuration has version {0}; this gateway knows {VERSION}")]
    Version(u32),
    #[error("port {0} is relayed twice")]
    RelayedTwice(Port),
    #[error("port {0} is the gateway's own and cannot be relayed")]
    OwnPort(Port),
}

/// Raised when an older gateway would misunderstand the format.
const VERSION: u32 = 1;

fn unspecified() -> Ipv4Addr {
    Ipv4Addr::UNSPECIFIED
}

impl Config {
    /// # Errors
    /// If the text has another format, or ports collide.
    pub fn from_json(text: &str) -> Result<Self, InvalidConfig> {
        let config: Self = serde_json::from_str(text)?;
        if config.version != VERSION {
            return Err(InvalidConfig::Version(config.version));
        }
        for (index, relay) in config.relays.iter().enumerate() {
            if [Port::DNS, Port::HTTP, Port::TLS, Port::PROXY].contains(&relay.listen) {
                return Err(InvalidConfig::OwnPort(relay.listen));
            }
            if config.relays[..index].iter().any(|other| other.listen == relay.listen) {
                return Err(InvalidConfig::RelayedTwice(relay.listen));
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{
        "version": 1, "address": "10.83.0.2", "resolvers": ["127.0.0.11:53"], "host": "172.17.0.1",
        "names": {"buildkit": ["10.83.0.18"], "postgres": "moat-postgres-r"},
        "relays": [{"listen": 20000, "to": "10.83.0.17", "port": 80}, {"listen": 20001, "to": "moat-r", "port": 3000}],
        "state": "/var/lib/moat"
    }"#;

    #[test]
    fn a_configuration_round_trips() {
        let config = Config::from_json(FULL).unwrap();
        assert_eq!(
            config.names["buildkit".parse::<HostName>().as_ref().unwrap()],
            OwnName::Addresses(vec!["10.83.0.18".parse().unwrap()])
        );
        assert_eq!(config.relays[1].to, Target::Container("moat-r".parse().unwrap()));
        assert_eq!(Config::from_json(&serde_json::to_string(&config).unwrap()).unwrap(), config);
        assert!(Config::from_json(r#"{"version":1,"address":"10.83.0.2","state":"/s"}"#).unwrap().names.is_empty());
    }

    #[test]
    fn an_unusable_configuration_is_rejected() {
        let cases = [
            ("\"version\": 1", "\"version\": 2"),
            ("\"host\"", "\"hosts\""),
            ("20001", "20000"),
            ("20000", "443"),
            ("10.83.0.2", "x"),
        ];
        for (part, other) in cases {
            assert!(Config::from_json(&FULL.replacen(part, other, 1)).is_err(), "{other}");
        }
    }
}

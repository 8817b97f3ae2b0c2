//! The serde types of published ports: a list, or a mapping with names.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::one_of::OneOf;
use moat_model::resource::Protocol;

/// The entries, each with its name if the ports are a mapping.
#[derive(Debug, Default)]
pub(super) struct Ports(pub Vec<(Option<String>, OneOf<PortParts>)>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortParts {
    pub target: String,
    pub published: Option<String>,
    pub host_ip: Option<String>,
    #[serde(default)]
    pub protocol: PortProtocol,
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PortProtocol {
    #[default]
    Tcp,
    Udp,
}

impl From<PortProtocol> for Protocol {
    fn from(protocol: PortProtocol) -> Self {
        match protocol {
            PortProtocol::Tcp => Self::Tcp,
            PortProtocol::Udp => Self::Udp,
        }
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrNames;

        impl<'de> Visitor<'de> for ListOrNames {
            type Value = Ports;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of ports, or names with ports")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ports, A::Error> {
                let mut ports = Vec::new();
                while let Some(port) = items.next_element()? {
                    ports.push((None, port));
                }
                Ok(Ports(ports))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Ports, A::Error> {
                let mut ports = Vec::new();
                while let Some((name, port)) = entries.next_entry()? {
                    ports.push((Some(name), port));
                }
                Ok(Ports(ports))
            }
        }

        deserializer.deserialize_any(ListOrNames)
    }
}

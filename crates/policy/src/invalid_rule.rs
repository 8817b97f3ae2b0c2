//! Why a text is no rule, and how to fix it.

use super::address::Refusal;
use super::name::InvalidName;
use super::pattern::InvalidPattern;
use super::port::Port;
use super::preset_names;
use super::request_rule::InvalidRequest;

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    #[error("a rule cannot be a URL")]
    Url,
    #[error("a rule for a whole host has no method and no path")]
    Request,
    #[error(transparent)]
    InvalidRequest(#[from] InvalidRequest),
    #[error("unknown preset `@{name}`")]
    Preset { name: String, similar: Option<&'static str> },
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    #[error("`{0}` is not a port")]
    Port(String),
    #[error("port 53 is the gateway's own")]
    DnsPort,
    #[error("port {0} is possible only for a single host")]
    SharedPort(Port),
    #[error("`{0}` is not an address range")]
    Range(String),
    #[error("{0} cannot be allowed")]
    Unreachable(Refusal),
    #[error("a rule for a registry names one host")]
    RegistryPattern,
    #[error("a registry cannot be reached on port {0}")]
    RegistryPort(Port),
    #[error("`{0}` is not reached by a rule")]
    DockerHost(String),
}

impl InvalidRule {
    /// How to fix it.
    pub fn hint(&self) -> String {
        match self {
            Self::Url => "write only the host: `example.com`".into(),
            Self::Request => "write the host alone, or `example.com: ['allow GET /path/**']`".into(),
            Self::InvalidRequest(error) => error.hint().into(),
            Self::Preset { similar: Some(similar), .. } => format!("did you mean `@{similar}`?"),
            Self::Preset { similar: None, .. } => {
                let all: Vec<String> = preset_names::names().map(|name| format!("`@{name}`")).collect();
                format!("the presets are {}", all.join(", "))
            }
            Self::Pattern(InvalidPattern::Name(InvalidName::Address(_))) => {
                "sandboxes reach hosts by name; for a name with a private address, write `NAME in ADDRESS`".into()
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
            Self::RegistryPattern => "write one registry: `registry ghcr.io`".into(),
            Self::RegistryPort(_) => "pulls go through the gateway on port 443: write the host without a port".into(),
            Self::DockerHost(_) => "name the ports of the Docker host in `network.host`".into(),
        }
    }
}

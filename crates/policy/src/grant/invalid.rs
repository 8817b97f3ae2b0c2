//! Why a grant is not possible, and how to fix it.

use super::super::invalid_rule::InvalidRule;
use super::super::request_rule::InvalidRequest;
use super::{GrantName, InvalidFormat};

/// Why a grant is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGrant {
    #[error("`{0}` is not the name of a grant")]
    Name(String),
    #[error("unknown grant `{name}`")]
    Unknown { name: String, similar: Option<&'static str> },
    #[error("the grant `{name}` is not supported: {reason}")]
    Refused { name: String, reason: &'static str, hint: &'static str },
    #[error("the grant `{0}` has no host")]
    NoHost(GrantName),
    #[error("the grant `{0}` has no option `repos`")]
    NoRepositories(&'static str),
    #[error("the grant `{0}` has no option `write`")]
    NoWrite(&'static str),
    #[error("`{0}` is not a repository")]
    Repository(String),
    #[error("a credential is sent over TLS only, not to `{0}`")]
    Port(String),
    #[error("the requests to `{0}` must be a list of what is allowed")]
    Requests(String),
    #[error("the placeholder is not valid")]
    Placeholder,
    #[error(transparent)]
    Format(#[from] InvalidFormat),
    #[error(transparent)]
    Host(#[from] InvalidRule),
    #[error(transparent)]
    Request(#[from] InvalidRequest),
}

impl InvalidGrant {
    /// How to fix it.
    pub fn hint(&self) -> String {
        match self {
            Self::Name(_) => "expected lower-case letters, digits and `-`".into(),
            Self::Unknown { similar: Some(similar), .. } => format!("did you mean `{similar}`?"),
            Self::Unknown { similar: None, .. } => {
                let all: Vec<String> = super::files::names().map(|name| format!("`{name}`")).collect();
                format!("the grants are {}; a grant of your own names its `host` and its `source`", all.join(", "))
            }
            Self::Refused { hint, .. } => (*hint).into(),
            Self::NoHost(_) => "add `write: true`, or remove the grant".into(),
            Self::NoRepositories(_) | Self::NoWrite(_) => "remove the option".into(),
            Self::Repository(_) => "expected `OWNER/NAME`, without `.git`".into(),
            Self::Port(_) => "remove the port".into(),
            Self::Requests(_) => "expected rules such as `allow GET /x/**`".into(),
            Self::Placeholder => "expected 12 to 256 visible ASCII characters".into(),
            Self::Format(_) => {
                "expected a header such as `authorization`, and a format such as `Bearer {value}`".into()
            }
            Self::Host(error) => error.hint(),
            Self::Request(error) => error.hint().into(),
        }
    }
}

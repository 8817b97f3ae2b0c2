//! What happens to a host that no rule names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The mode of a gateway. A sandbox with `policy: open` has no gateway and therefore no mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// HTTP and TLS pass to every public host, and are recorded.
    Learn,
    /// Only what a rule names passes.
    Strict,
}

/// A text that is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown network policy `{0}`")]
pub struct UnknownMode(pub String);

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Learn => "learn",
            Self::Strict => "strict",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "learn" | "permissive" => Ok(Self::Learn),
            "strict" => Ok(Self::Strict),
            _ => Err(UnknownMode(text.to_owned())),
        }
    }
}

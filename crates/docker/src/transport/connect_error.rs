//! The error of a failed connection, and of an endpoint that cannot be resolved.

use std::fmt;

use super::endpoint::Origin;

/// Why an engine cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError {
    /// The address, or the text given as one.
    pub address: String,
    pub origin: Origin,
    pub why: String,
    pub hint: String,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use docker at `{}` ({}): {}", self.address, self.origin, self.why)
    }
}

impl std::error::Error for ConnectError {}

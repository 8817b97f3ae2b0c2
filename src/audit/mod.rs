//! The audit log: a tamper-evident record of the changes that moat makes on an engine.
//!
//! JSON Lines, append-only. Each entry's hash covers the one before and the bytes of its own line, and is signed; a
//! signed head records the end of the log, so that a truncation is visible. `docs/reference/audit-format.md` is the
//! format. Several processes keep one chain, under a lock that is held for the moment of an append.
//!
//! Fails closed: without a written intent, the change must not be made. Callers decide which events are logged.

pub mod batch;
mod chain;
pub mod engine;
pub mod entry;
mod files;
mod head;
mod key;
pub mod log;
pub mod read;
mod standing;
pub mod transport;
pub mod verify;

use std::io;
use std::path::PathBuf;

pub use entry::{Body, Entry, Phase, Verdict};
pub use key::PublicKey;
pub use log::Audit;
pub use verify::{Broken, Verified, verify};

/// Why the audit log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("no directory for the audit log")]
    NoFolder,
    #[error("the audit log cannot be used: `{}`: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// The log was changed or truncated.
    #[error("the audit log is broken: {0}")]
    Broken(Broken),
    #[error("the audit log was written by a newer version of moat: `{}`", path.display())]
    Newer { path: PathBuf },
    /// Another process was suspended during an append.
    #[error("the audit log is locked by another process: `{}`", path.display())]
    Held { path: PathBuf },
    #[error("the key of the audit log is missing: `{}`", path.display())]
    NoKey { path: PathBuf },
    #[error("the key of the audit log is invalid, or other users can read it: `{}`", path.display())]
    BadKey { path: PathBuf },
}

impl AuditError {
    /// Returns the remedy.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoFolder => "every change needs an audit entry: set `MOAT_STATE_DIR` to a directory",
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => "check the path",
            Self::File { .. } => "every change needs an audit entry: free space, or make the file writable",
            Self::Broken(_) | Self::NoKey { .. } | Self::BadKey { .. } => {
                "`moat audit verify` shows details; `moat audit rotate` sets the log aside and starts a new one"
            }
            Self::Newer { .. } => "use that version, or set the log aside with `moat audit rotate`",
            Self::Held { .. } => "find the hanging moat process and stop it",
        }
    }
}

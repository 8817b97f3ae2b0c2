//! The audit log: what moat changed on an engine, hard to falsify.
//!
//! JSON Lines, append-only. Each entry's hash covers the one before and the bytes of its own line, and is signed; a
//! signed head says how far the log went, so that a cut shows. `docs/reference/audit-format.md` is the format. Several processes
//! keep one chain, under a lock that is held for the moment of an append.
//!
//! Fails closed: whoever cannot write an intent must not make the change. Nothing here decides what is worth an entry.

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

/// Why nothing can be put on record.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("there is no folder for the audit log")]
    NoFolder,
    #[error("the audit log cannot be used: `{}`: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// It is not as moat has left it.
    #[error("the audit log is not as moat has left it: {0}")]
    Broken(Broken),
    #[error("the audit log is of a newer version of moat: `{}`", path.display())]
    Newer { path: PathBuf },
    /// Another process has stopped in the middle of an append.
    #[error("the audit log is held by another process: `{}`", path.display())]
    Held { path: PathBuf },
    #[error("the key of the audit log is missing: `{}`", path.display())]
    NoKey { path: PathBuf },
    #[error("the key of the audit log is no key, or others can read it: `{}`", path.display())]
    BadKey { path: PathBuf },
}

impl AuditError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoFolder => "nothing is changed that is not on record: `MOAT_STATE_DIR` names a folder for it",
            Self::File { .. } => "nothing is changed that is not on record: make room, or make it writable",
            Self::Broken(_) | Self::NoKey { .. } | Self::BadKey { .. } => {
                "`moat audit verify` says more; `moat audit rotate` puts it aside as it is, and begins a new one"
            }
            Self::Newer { .. } => "use that version, or put the log aside with `moat audit rotate`",
            Self::Held { .. } => "look for a moat that hangs, and end it",
        }
    }
}

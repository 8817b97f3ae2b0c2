//! The head: how far the log went when it was last known to be on disk, signed.
//!
//! Written after the log, so that it never promises what a power failure could take back.

use std::fs::{OpenOptions, read_to_string, rename};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::AuditError;
use super::chain::{Link, VERSION};
use super::files::refused;
use super::key::{PublicKey, SecretKey};
use crate::local::private;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub v: u32,
    pub seq: u64,
    pub hash: String,
    /// How long the log was.
    pub bytes: u64,
    /// The numbers of intents without an outcome.
    pub open: Vec<u64>,
    #[serde(skip_serializing, default)]
    pub sig: String,
}

const SIG: &str = ",\"sig\":\"";

impl Head {
    pub(super) fn of(link: &Link, bytes: u64, open: Vec<u64>) -> Self {
        Self { v: VERSION, seq: link.seq, hash: link.hash.clone(), bytes, open, sig: String::new() }
    }

    pub(super) fn link(&self) -> Link {
        Link { seq: self.seq, hash: self.hash.clone() }
    }

    /// Its text, signed; ends with a line feed.
    pub(super) fn signed(&self, key: &SecretKey) -> String {
        let json = serde_json::to_string(self).unwrap_or_else(|error| unreachable!("plain values: {error}"));
        let signed = json.strip_suffix('}').unwrap_or(&json);
        format!("{signed}{SIG}{}\"}}\n", key.sign(signed.as_bytes()))
    }

    /// Reads a text; `None`: nobody who has the key has written that.
    pub(super) fn parse(text: &str, key: &PublicKey) -> Option<Self> {
        let (signed, rest) = text.trim_end().rsplit_once(SIG)?;
        let sig = rest.strip_suffix("\"}")?;
        let head: Self = serde_json::from_str(text).ok()?;
        key.verifies(signed.as_bytes(), sig).then_some(head)
    }

    /// The text of the head's file; `None`: there is none.
    pub(super) fn text(path: &Path) -> Result<Option<String>, AuditError> {
        match read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // Not UTF-8: nobody who has the key has written that.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(String::new())),
            Err(source) => Err(refused(path, source)),
        }
    }

    /// Puts it in the place of the one before in one step.
    pub(super) fn write(&self, path: &Path, key: &SecretKey) -> Result<(), AuditError> {
        let draft = path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file = private::open(OpenOptions::new().write(true).create(true).truncate(true), &draft)?;
            file.write_all(self.signed(key).as_bytes())?;
            rename(&draft, path)
        };
        write().map_err(|source| refused(path, source))
    }
}

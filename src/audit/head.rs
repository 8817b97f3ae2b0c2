//! The head: the signed end of the log at the last sync.
//!
//! It is written after the log, so that it never lists entries that a power failure could remove.

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
    /// The length of the log.
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

    /// Returns the signed text, which ends with a line feed.
    pub(super) fn signed(&self, key: &SecretKey) -> String {
        let json = serde_json::to_string(self).unwrap_or_else(|error| unreachable!("plain values: {error}"));
        let signed = json.strip_suffix('}').unwrap_or(&json);
        format!("{signed}{SIG}{}\"}}\n", key.sign(signed.as_bytes()))
    }

    /// Parses a text; `None` if it is not signed by `key`.
    pub(super) fn parse(text: &str, key: &PublicKey) -> Option<Self> {
        let (signed, rest) = text.trim_end().rsplit_once(SIG)?;
        let sig = rest.strip_suffix("\"}")?;
        let head: Self = serde_json::from_str(text).ok()?;
        key.verifies(signed.as_bytes(), sig).then_some(head)
    }

    /// Reads the file of the head; `None` if it does not exist.
    pub(super) fn text(path: &Path) -> Result<Option<String>, AuditError> {
        match read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // Not UTF-8, so not a signed head.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(String::new())),
            Err(source) => Err(refused(path, source)),
        }
    }

    /// Replaces the file of the head atomically.
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

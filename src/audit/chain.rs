//! Conversion between entries and lines: hash, signature and position in the chain.

use super::entry::{Body, Entry};
use super::key::{PublicKey, SecretKey};
use moat_model::resource::digest::sha256;

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// The separator between the hashed bytes and the hash.
const HASH: &str = ",\"hash\":\"";
const SIG: &str = "\",\"sig\":\"";

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// The number of the last entry; 0 if the log is empty.
    pub seq: u64,
    pub hash: String,
}

/// Why a line is not the next valid entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("not an entry")]
    Form,
    #[error("changed: the hash does not match the bytes")]
    Hash,
    #[error("signed by another key")]
    Signature,
    #[error("missing: entry {0} follows")]
    Sequence(u64),
    #[error("does not follow the previous entry")]
    Previous,
    #[error("unsupported format version {0}")]
    Version(u32),
}

impl Link {
    /// Returns the link before the first entry.
    pub(super) fn start() -> Self {
        Self { seq: 0, hash: "0".repeat(64) }
    }

    /// Returns the line of the next entry, with its line feed, and the new end of the chain.
    pub(super) fn next(&self, body: &Body, key: &SecretKey) -> (String, Self) {
        let entry = Entry {
            v: VERSION,
            seq: self.seq + 1,
            body: body.clone(),
            prev: self.hash.clone(),
            hash: String::new(),
            sig: String::new(),
        };
        let json = serde_json::to_string(&entry).unwrap_or_else(|error| unreachable!("plain values: {error}"));
        let hashed = json.strip_suffix('}').unwrap_or(&json);
        let hash = sha256(hashed);
        let sig = key.sign(hash.as_bytes());
        (format!("{hashed}{HASH}{hash}{SIG}{sig}\"}}\n"), Self { seq: entry.seq, hash })
    }

    /// Checks that `line`, without its line feed, is the next entry.
    pub(super) fn check(&self, line: &[u8], key: &PublicKey) -> Result<(Entry, Self), Fault> {
        let line = std::str::from_utf8(line).map_err(|_| Fault::Form)?;
        let (hashed, rest) = line.rsplit_once(HASH).ok_or(Fault::Form)?;
        let (hash, sig) = rest.strip_suffix("\"}").and_then(|rest| rest.split_once(SIG)).ok_or(Fault::Form)?;
        if sha256(hashed) != hash {
            return Err(Fault::Hash);
        }
        if !key.verifies(hash.as_bytes(), sig) {
            return Err(Fault::Signature);
        }
        let entry: Entry = serde_json::from_str(line).map_err(|_| Fault::Form)?;
        if entry.v != VERSION {
            return Err(Fault::Version(entry.v));
        }
        if entry.seq != self.seq + 1 {
            return Err(Fault::Sequence(entry.seq));
        }
        if entry.prev != self.hash {
            return Err(Fault::Previous);
        }
        let end = Self { seq: entry.seq, hash: hash.to_owned() };
        Ok((entry, end))
    }
}

//! The signing key: Ed25519 (RFC 8032), created on first use, readable by its user only.

use std::fmt;
use std::fs::{File, OpenOptions, read_to_string, remove_file, rename};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::AuditError;
use super::files::refused;
use moat_model::resource::digest::hexadecimal;

/// The length of a seed in bytes (RFC 8032).
const SEED: usize = 32;

/// The permissions of group and others.
const OTHERS: u32 = 0o077;

pub struct SecretKey(Ed25519KeyPair);

/// The key that verifies signatures; displayed in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl SecretKey {
    /// Creates a key from a seed of 32 bytes.
    pub(super) fn of(seed: &[u8; SEED]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        Self(pair.unwrap_or_else(|_| unreachable!("every 32 bytes are a seed")))
    }

    /// Reads the key file.
    pub(super) fn read(path: &Path) -> Result<Self, AuditError> {
        let wrong = || AuditError::BadKey { path: path.to_owned() };
        let text = match read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(AuditError::NoKey { path: path.to_owned() });
            }
            text => text.map_err(|source| refused(path, source))?,
        };
        let mode = path.metadata().map_err(|source| refused(path, source))?.permissions().mode();
        let seed = unhex(text.trim()).and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
        if mode & OTHERS == 0 { Ok(Self::of(&seed)) } else { Err(wrong()) }
    }

    /// Creates a new key and writes its file atomically.
    pub(super) fn create(path: &Path) -> Result<Self, AuditError> {
        let mut seed = [0; SEED];
        let random = || io::Error::other("the system has no random bytes");
        SystemRandom::new().fill(&mut seed).map_err(|_| refused(path, random()))?;
        let draft = path.with_extension("new");
        let write = || -> io::Result<()> {
            // A file left by a crash may be readable by others.
            match remove_file(&draft) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(format!("{}\n", hexadecimal(&seed)).as_bytes())?;
            file.sync_all()?;
            rename(&draft, path)
        };
        write().map_err(|source| refused(path, source))?;
        Ok(Self::of(&seed))
    }

    pub(super) fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().to_vec())
    }

    /// Returns the signature of `bytes` in hexadecimal.
    pub(super) fn sign(&self, bytes: &[u8]) -> String {
        hexadecimal(self.0.sign(bytes).as_ref())
    }
}

impl PublicKey {
    /// Parses hexadecimal digits; `None` if they are not a key.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text.trim()).filter(|bytes| bytes.len() == SEED).map(Self)
    }

    pub(super) fn verifies(&self, bytes: &[u8], signature: &str) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.0);
        unhex(signature).is_some_and(|signature| key.verify(bytes, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(&self.0))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    // Uppercase digits would be a second representation of the same bytes.
    let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !digits || text.len() % 2 == 1 {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

//! Values that nobody but the container may see, and the digests that stand for them everywhere else.
//!
//! A digest is keyed: whoever reads a label, a plan or a log cannot try out what a short secret might be. Who may use
//! the engine can read the environment of its containers; nothing here keeps it from them.

use std::fmt::{self, Write};

use ring::hmac;
use serde::{Serialize, Serializer};

/// A value that is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

/// The key of digests, of one machine.
#[derive(Clone)]
pub struct SecretKey([u8; SECRET_KEY_LEN]);

/// A value with what stands for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: SecretText,
    digest: String,
}

/// In bytes: as long as what SHA-256 gives, so that the key is no easier to guess than the digest.
pub const SECRET_KEY_LEN: usize = 32;

/// Of a digest, in bytes. Nobody can search for two values with one digest who does not have the key.
const DIGEST_LEN: usize = 16;

impl SecretText {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the engine.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl SecretKey {
    pub fn new(bytes: [u8; SECRET_KEY_LEN]) -> Self {
        Self(bytes)
    }
}

impl Secret {
    /// A value of `owner`, such as a run and a variable's name: the same value of two owners has two digests.
    pub fn new(value: SecretText, owner: &str, key: &SecretKey) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key.0);
        let tag = hmac::sign(&key, format!("{owner}\0{}", value.0).as_bytes());
        let digest = tag.as_ref().iter().take(DIGEST_LEN).fold("hmac:".to_owned(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self { value, digest }
    }

    /// The value itself, for the engine.
    pub fn expose(&self) -> &str {
        self.value.expose()
    }

    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").field(&self.digest).finish()
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(value: &str, owner: &str, key: u8) -> String {
        Secret::new(SecretText::new(value), owner, &SecretKey::new([key; SECRET_KEY_LEN])).digest().to_owned()
    }

    #[test]
    fn a_digest_depends_on_the_value_the_owner_and_the_key() {
        let one = digest("1234", "a-1 PIN", 1);
        assert_eq!(one, digest("1234", "a-1 PIN", 1));
        for other in [digest("1235", "a-1 PIN", 1), digest("1234", "a-1 PUK", 1), digest("1234", "a-1 PIN", 2)] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn nothing_shows_the_value() {
        let secret = Secret::new(SecretText::new("hunter2"), "a", &SecretKey::new([7; SECRET_KEY_LEN]));
        let shown = format!("{secret:?} {:?} {}", SecretText::new("hunter2"), serde_json::json!(secret));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

//! Secret values, which only the container may see, and the digests that represent them everywhere else.
//!
//! Digests are keyed: a reader of a label, a plan or a log cannot guess a short secret. Users of
//! the engine can read the environment of its containers; this module does not prevent that.

use std::fmt;

use ring::hmac;
use serde::{Serialize, Serializer};

use super::digest::hexadecimal;

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

/// The key of digests, one for each state directory.
#[derive(Clone)]
pub struct SecretKey([u8; SECRET_KEY_LEN]);

/// A value with its digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: SecretText,
    digest: String,
    /// `None` if the value has not been fetched.
    key: Option<KeyId>,
}

/// Identifies the key of digests without revealing it: digests of different keys cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(String);

/// In bytes: the length of a SHA-256, so that the key is no easier to guess than the digest.
pub const SECRET_KEY_LEN: usize = 32;

/// In hexadecimal digits: few users share an engine, and 32 bits distinguish their keys.
const KEY_ID_LEN: usize = 8;

/// Represents a value that has not been fetched.
const NOT_FETCHED: &str = "not fetched";

/// The length of a digest, in bytes. Without the key, a search for collisions is impossible.
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

    pub fn id(&self) -> KeyId {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut id = short(hmac::sign(&key, b"key id").as_ref());
        id.truncate(KEY_ID_LEN);
        KeyId(id)
    }

    /// A password for a purpose: deterministic, and independent of the digests. Hexadecimal, so
    /// that it fits into a URL, a shell and SQL as it is.
    pub fn password(&self, of: &str) -> SecretText {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        // No owner of a secret has this name: it contains a space.
        SecretText(short(hmac::sign(&key, format!("password\0{of}").as_bytes()).as_ref()))
    }
}

impl Secret {
    /// A value of `owner`, such as a run and a variable: equal values of two owners have different digests.
    pub fn new(value: SecretText, owner: &str, key: &SecretKey) -> Self {
        let id = key.id();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key.0);
        let tag = hmac::sign(&key, format!("{owner}\0{}", value.0).as_bytes());
        Self { value, digest: format!("hmac:{}", short(tag.as_ref())), key: Some(id) }
    }

    /// A value that has not been fetched because its source is not approved: it cannot be compared.
    pub fn not_fetched() -> Self {
        Self { value: SecretText::new(""), digest: NOT_FETCHED.to_owned(), key: None }
    }

    /// The same value with the digest and key that a container was created with, if they cannot be compared.
    pub(super) fn recorded(&self, digest: &str, key: Option<&KeyId>) -> Self {
        Self { value: self.value.clone(), digest: digest.to_owned(), key: key.cloned() }
    }

    /// The key of its digest; `None` if the value has not been fetched.
    pub fn key(&self) -> Option<&KeyId> {
        self.key.as_ref()
    }

    /// The value itself, for the engine.
    pub fn expose(&self) -> &str {
        self.value.expose()
    }

    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The digest with its key, for a place without labels; `None` if the value has not been fetched.
    pub fn tag(&self) -> Option<String> {
        self.key.as_ref().map(|key| format!("{key} {}", self.digest))
    }

    /// The digest that differs from the one in `tag`, which is of another value; `None` if they are equal or cannot be
    /// compared.
    pub fn differs_from<'a>(&self, tag: &'a str) -> Option<&'a str> {
        let (key, digest) = tag.split_once(' ')?;
        let is_comparable = self.key.as_ref().is_some_and(|it| it.0 == key);
        (is_comparable && digest != self.digest).then_some(digest)
    }
}

impl KeyId {
    /// Wraps an id from a label.
    pub fn from_label(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kept part of a tag, as text.
fn short(tag: &[u8]) -> String {
    hexadecimal(tag.get(..DIGEST_LEN).unwrap_or(tag))
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
    fn a_password_is_stable_and_unique() {
        let password = |of: &str, key| SecretKey::new([key; SECRET_KEY_LEN]).password(of).expose().to_owned();
        let one = password("a-1 redis", 1);
        assert_eq!(one, password("a-1 redis", 1));
        assert!(one.len() == 32 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
        for other in [password("a-2 redis", 1), password("a-1 mysql", 1), password("a-1 redis", 2)] {
            assert_ne!(one, other);
        }
        assert!(!digest(&one, "a-1 PIN", 1).contains(&one));
    }

    #[test]
    fn nothing_shows_the_value() {
        let secret = Secret::new(SecretText::new("hunter2"), "a", &SecretKey::new([7; SECRET_KEY_LEN]));
        let shown = format!("{secret:?} {:?} {}", SecretText::new("hunter2"), serde_json::json!(secret));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

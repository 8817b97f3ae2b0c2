//! SHA-256 as text, for names and comparisons; and bytes as hexadecimal digits.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The digest of `bytes` in hexadecimal digits.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Two lowercase digits for each byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The first `digits` of a digest: enough to keep a few apart, and short enough for a name.
pub fn short_sha256(bytes: impl AsRef<[u8]>, digits: usize) -> String {
    let mut text = sha256(bytes);
    text.truncate(digits);
    text
}

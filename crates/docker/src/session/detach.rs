//! Detects detach keys in the user's input.
//!
//! The engine can detect them too, but then writes an error into the output and exits with 126, as for a command that
//! could not be run.

use std::str::FromStr;

use bytes::Bytes;

/// A sequence of keys such as `ctrl-p,ctrl-q`, in docker's notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKeys(Vec<u8>);

/// The text is not a key sequence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid key `{0}`: expected a character, or `ctrl-` and one of a-z @ [ \\ ] ^ _, separated by commas")]
pub struct DetachKeysError(String);

/// Searches the input for the keys.
#[derive(Debug)]
pub(crate) struct Watch {
    keys: Vec<u8>,
    /// The number of keys matched so far.
    have: usize,
}

impl FromStr for DetachKeys {
    type Err = DetachKeysError;

    fn from_str(text: &str) -> Result<Self, DetachKeysError> {
        text.split(',').map(key).collect::<Result<Vec<u8>, _>>().map(Self)
    }
}

/// The byte that a terminal sends for a key.
fn key(name: &str) -> Result<u8, DetachKeysError> {
    let wrong = || DetachKeysError(name.to_owned());
    let (bytes, ctrl) = match name.strip_prefix("ctrl-") {
        Some(rest) => (rest.as_bytes(), true),
        None => (name.as_bytes(), false),
    };
    let [byte] = bytes else { return Err(wrong()) };
    match (ctrl, byte.to_ascii_uppercase()) {
        (false, _) if byte.is_ascii_graphic() => Ok(*byte),
        // A control character is a character from `@` to `_` without the upper bits (ECMA-48).
        (true, upper @ b'@'..=b'_') => Ok(upper & 0x1f),
        _ => Err(wrong()),
    }
}

impl Watch {
    pub(crate) fn new(keys: &DetachKeys) -> Self {
        Self { keys: keys.0.clone(), have: 0 }
    }

    /// Returns the part of the input for the command, and whether the user detaches.
    pub(crate) fn pass(&mut self, piece: &Bytes) -> (Bytes, bool) {
        let mut out = Vec::with_capacity(piece.len() + self.have);
        for byte in piece {
            if *byte != self.keys[self.have] {
                // The held back keys were for the command. The sequence may restart at this byte.
                out.extend_from_slice(&self.keys[..self.have]);
                self.have = 0;
            }
            if *byte == self.keys[self.have] {
                self.have += 1;
                if self.have == self.keys.len() {
                    return (out.into(), true);
                }
            } else {
                out.push(*byte);
            }
        }
        (out.into(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_parsed_like_dockers() {
        let table: [(&str, Option<&[u8]>); 8] = [
            ("ctrl-p,ctrl-q", Some(&[16, 17])),
            ("ctrl-@,a", Some(&[0, b'a'])),
            ("ctrl-\\", Some(&[28])),
            ("x", Some(b"x")),
            ("", None),
            ("ctrl-", None),
            ("ctrl-1", None),
            ("ab", None),
        ];
        for (text, keys) in table {
            assert_eq!(text.parse::<DetachKeys>().ok().map(|it| it.0), keys.map(<[u8]>::to_vec), "{text}");
        }
    }

    #[test]
    fn keys_are_found_across_chunks() {
        let keys: DetachKeys = "ctrl-p,q".parse().unwrap();
        let typed = b"ls\x10ls\x10\x10q";
        for cut in 0..=typed.len() {
            let (mut watch, mut out, mut left) = (Watch::new(&keys), Vec::new(), false);
            for piece in [&typed[..cut], &typed[cut..]] {
                let (passed, leave) = watch.pass(&Bytes::copy_from_slice(piece));
                out.extend_from_slice(&passed);
                left |= leave;
            }
            assert_eq!((out.as_slice(), left), (&b"ls\x10ls\x10"[..], true), "{cut}");
        }
    }
}

//! Keys that leave a command running, watched for on this side.
//!
//! The engine would watch for them too, but ends an exec that is left with an error of its own in the output and code
//! 126, which looks like a command that could not be run.

use std::str::FromStr;

use bytes::Bytes;

/// A sequence of keys, as in `ctrl-p,ctrl-q`; the notation is docker's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKeys(Vec<u8>);

/// Why a text names no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a key: a letter, or `ctrl-` and one of a-z @ [ \\ ] ^ _; several with commas between")]
pub struct DetachKeysError(String);

/// Looks for the keys in what is typed.
#[derive(Debug)]
pub(crate) struct Watch {
    keys: Vec<u8>,
    /// How many of them have come.
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
        // Control characters are the letters from `@` on, without the upper bits (ECMA-48).
        (true, upper @ b'@'..=b'_') => Ok(upper & 0x1f),
        _ => Err(wrong()),
    }
}

impl Watch {
    pub(crate) fn new(keys: &DetachKeys) -> Self {
        Self { keys: keys.0.clone(), have: 0 }
    }

    /// What of a piece of input goes to the command, and whether the user wants to leave it.
    pub(crate) fn pass(&mut self, piece: &Bytes) -> (Bytes, bool) {
        let mut out = Vec::with_capacity(piece.len() + self.have);
        for byte in piece {
            if *byte != self.keys[self.have] {
                // What was held back was meant for the command. The sequence may begin anew right here.
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
    fn keys_are_read_as_docker_reads_them() {
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
    fn the_keys_are_found_wherever_the_input_is_cut() {
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

//! The path of a request, in every way that a server may read it.
//!
//! Servers differ in what they decode and merge. A request is allowed only if it is in each reading, so that no spelling
//! of a path leads past a rule.

/// A path in all its readings, each in segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPath {
    readings: Vec<Vec<Vec<u8>>>,
}

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousPath {
    #[error("it does not start with `/`")]
    Relative,
    #[error("it is not encoded as a path has to be")]
    Encoding,
    #[error("it has a segment `.` or `..`")]
    Dots,
}

/// A path that still changes after so many decodings is made to confuse.
const DECODINGS: usize = 3;

impl RequestPath {
    /// # Errors
    /// If servers might disagree about what the path names.
    pub fn new(path: &str) -> Result<Self, AmbiguousPath> {
        let rest = path.strip_prefix('/').ok_or(AmbiguousPath::Relative)?.as_bytes();
        if rest.iter().any(|byte| *byte == b'?' || *byte == b'#') || !is_encoded(rest) {
            return Err(AmbiguousPath::Encoding);
        }
        // As the standard says: split first, then decode.
        let standard: Vec<Vec<u8>> = segments(rest, |byte| byte == b'/').into_iter().map(|it| decode(&it)).collect();
        let mut decoded = rest.to_vec();
        for round in 0.. {
            let further = decode(&decoded);
            if further == decoded {
                break;
            }
            if round == DECODINGS {
                return Err(AmbiguousPath::Encoding);
            }
            decoded = further;
        }
        if decoded.iter().any(u8::is_ascii_control) {
            return Err(AmbiguousPath::Encoding);
        }
        let lax = segments(&decoded, |byte| byte == b'/' || byte == b'\\');
        let merged: Vec<Vec<u8>> =
            lax.iter().map(|it| without_parameters(it).to_vec()).filter(|it| !it.is_empty()).collect();
        let is_dots = |it: &Vec<u8>| matches!(without_parameters(it), b"." | b"..");
        if lax.iter().chain(&standard).any(is_dots) {
            return Err(AmbiguousPath::Dots);
        }
        let mut readings = vec![standard, lax, merged];
        readings.dedup();
        Ok(Self { readings })
    }

    pub(crate) fn readings(&self) -> &[Vec<Vec<u8>>] {
        &self.readings
    }
}

/// Whether each `%` begins a byte in hexadecimal.
fn is_encoded(text: &[u8]) -> bool {
    let after = |at: usize| text.get(at + 1..at + 3);
    let starts = text.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    starts.map(|(at, _)| after(at)).all(|digits| digits.is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit)))
}

fn segments(text: &[u8], is_separator: impl Fn(u8) -> bool) -> Vec<Vec<u8>> {
    if text.is_empty() { Vec::new() } else { text.split(|byte| is_separator(*byte)).map(<[u8]>::to_vec).collect() }
}

fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        match after {
            [high, low, tail @ ..] if *first == b'%' => {
                if let (Some(high), Some(low)) = (digit(high), digit(low)) {
                    decoded.push(high << 4 | low);
                    rest = tail;
                    continue;
                }
            }
            _ => {}
        }
        decoded.push(*first);
        rest = after;
    }
    decoded
}

/// Some servers remove `;x` from a segment before they look for `..`.
fn without_parameters(segment: &[u8]) -> &[u8] {
    segment.split(|byte| *byte == b';').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn readings(path: &str) -> Vec<String> {
        let text = |it: &Vec<Vec<u8>>| it.iter().map(|it| String::from_utf8_lossy(it)).collect::<Vec<_>>().join("|");
        RequestPath::new(path).unwrap().readings.iter().map(text).collect()
    }

    #[test]
    fn a_path_has_every_interpretation_of_servers() {
        assert_eq!(readings("/"), [""]);
        assert_eq!(readings("/x/y"), ["x|y"]);
        assert_eq!(readings("/%78"), ["x"]);
        assert_eq!(readings("/x/"), ["x|", "x"]);
        assert_eq!(readings("/x//y"), ["x||y", "x|y"]);
        assert_eq!(readings("/@a%2fb"), ["@a/b", "@a|b"]);
        assert_eq!(readings("/a%252fb"), ["a%2fb", "a|b"]);
        assert_eq!(readings("/a;v=1/b"), ["a;v=1|b", "a|b"]);
        assert_eq!(readings("/a\\b"), ["a\\b", "a|b"]);
    }

    #[test]
    fn an_ambiguous_path_is_refused() {
        use AmbiguousPath::{Dots, Encoding, Relative};
        let table = [
            ("x", Relative),
            ("*", Relative),
            ("", Relative),
            ("/a/../b", Dots),
            ("/a/./b", Dots),
            ("/a/%2e%2e/b", Dots),
            ("/a/%252e%252E/b", Dots),
            ("/a%2f..%2fb", Dots),
            ("/a\\..\\b", Dots),
            ("/a/..;x/b", Dots),
            ("/a/..", Dots),
            ("/a%", Encoding),
            ("/a%zz", Encoding),
            ("/a%00b", Encoding),
            ("/a%0d%0ab", Encoding),
            ("/a?b", Encoding),
            ("/%2525252525252e", Encoding),
        ];
        for (path, expected) in table {
            assert_eq!(RequestPath::new(path), Err(expected), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_interpretation_has_dots(path in "/[a-c./%;\\\\25eE]{0,12}") {
            if let Ok(path) = RequestPath::new(&path) {
                prop_assert!(!path.readings.is_empty());
                let all = path.readings.iter().flatten();
                prop_assert!(all.clone().all(|it| it != b".." && it != b"."));
            }
        }
    }
}

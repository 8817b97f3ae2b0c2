//! The end of an output of any length, in bounded memory.

/// The last bytes of an output.
#[derive(Debug)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    max: usize,
}

impl Tail {
    /// A tail of at most `max` bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self { bytes: Vec::new(), max }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        // Twice the size, so that bytes are seldom moved.
        if self.bytes.len() > 2 * self.max {
            self.cut();
        }
    }

    /// The text; invalid UTF-8 is replaced, and a character cut at the front is dropped.
    pub(crate) fn into_text(mut self) -> String {
        self.cut();
        let whole = self.bytes.iter().position(|byte| byte & 0b1100_0000 != 0b1000_0000).unwrap_or(0);
        String::from_utf8_lossy(&self.bytes[whole..]).into_owned()
    }

    fn cut(&mut self) {
        let surplus = self.bytes.len().saturating_sub(self.max);
        self.bytes.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept() {
        let mut tail = Tail::new(4);
        for piece in ["a", "bc", "defghijkl", "", "m"] {
            tail.push(piece.as_bytes());
            assert!(tail.bytes.len() <= 8);
        }
        assert_eq!(tail.into_text(), "jklm");
        assert_eq!(Tail::new(4).into_text(), "");
    }

    #[test]
    fn characters_are_not_cut() {
        let mut tail = Tail::new(5);
        tail.push("äöü".as_bytes());
        assert_eq!(tail.into_text(), "öü");
        let mut binary = Tail::new(5);
        binary.push(&[b'a', 0xff, b'b']);
        assert_eq!(binary.into_text(), "a\u{fffd}b");
    }
}

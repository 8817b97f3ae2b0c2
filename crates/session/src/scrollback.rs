//! The end of a session's output, for a client that attaches later.

use std::collections::VecDeque;

/// In bytes: several screens of a large terminal with colours.
const KEPT_MAX: usize = 256 * 1024;

#[derive(Default)]
pub(crate) struct Scrollback {
    bytes: VecDeque<u8>,
    is_cut: bool,
}

impl Scrollback {
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.bytes.extend(piece);
        let excess = self.bytes.len().saturating_sub(KEPT_MAX);
        if excess > 0 {
            self.bytes.drain(..excess);
            self.is_cut = true;
        }
    }

    /// The kept bytes. After a cut they begin with a whole line, since a cut may be in a character or a sequence.
    pub(crate) fn replay(&self) -> Vec<u8> {
        let whole_line = self.bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.bytes.iter().skip(if self.is_cut { whole_line } else { 0 }).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_from_a_whole_line_on() {
        let mut scrollback = Scrollback::default();
        scrollback.push(b"ab\ncd");
        assert_eq!(scrollback.replay(), b"ab\ncd");
        scrollback.push(&vec![b'x'; KEPT_MAX - 3]);
        let kept = scrollback.replay();
        assert!(kept.starts_with(b"cdxx") && kept.len() == KEPT_MAX - 1, "{}", kept.len());
        scrollback.push(&vec![b'y'; KEPT_MAX]);
        assert_eq!(scrollback.replay(), vec![b'y'; KEPT_MAX], "without a line it is kept as it is");
    }
}

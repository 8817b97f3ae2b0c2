//! The text of a spec file, and locations in it.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// A spec file and the files that it extends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file's name as given by the user; shown in diagnostics.
    pub name: String,
    /// Canonical; part of the run's identity.
    pub path: PathBuf,
    /// The text of the file, followed by the files that it extends, so that one byte range identifies a location.
    pub text: String,
    /// The other files, in the order of their text.
    parts: Vec<Part>,
}

/// Another file in a source's text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    start: usize,
    name: String,
    path: PathBuf,
}

/// A range of bytes in a source's text.
pub type Span = Range<usize>;

/// A value with its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub span: Span,
}

/// A location as shown by editors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1; a line ends with a line feed.
    pub line: usize,
    /// From 1, in characters.
    pub col: usize,
}

/// Some editors add it at the start of a file; it is not part of the text (Unicode 3.10).
const BYTE_ORDER_MARK: char = '\u{feff}';

impl Source {
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { name: name.into(), path: path.into(), text: text.into(), parts: Vec::new() }
    }

    /// Appends another file, and returns the offset of its text.
    pub(super) fn append(&mut self, name: impl Into<String>, path: impl Into<PathBuf>, text: &str) -> usize {
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text));
        self.parts.push(Part { start, name: name.into(), path: path.into() });
        start
    }

    /// The name of the file at an offset.
    pub fn name_at(&self, offset: usize) -> &str {
        self.part_at(offset).map_or(&self.name, |part| &part.name)
    }

    /// The path of the file at an offset.
    pub fn path_at(&self, offset: usize) -> &Path {
        self.part_at(offset).map_or(&self.path, |part| &part.path)
    }

    fn part_at(&self, offset: usize) -> Option<&Part> {
        self.parts.iter().rfind(|part| part.start <= offset)
    }

    /// Removes a byte order mark, so that columns match those of an editor.
    pub(super) fn without_byte_order_mark(mut self) -> Self {
        if self.text.starts_with(BYTE_ORDER_MARK) {
            self.text.drain(..BYTE_ORDER_MARK.len_utf8());
        }
        self
    }

    /// The line and column of a byte offset; an offset beyond the text is its end.
    pub fn position(&self, offset: usize) -> Position {
        let start = self.part_at(offset).map_or(0, |part| part.start);
        position(&self.text[start..], offset.saturating_sub(start))
    }

    /// The largest character boundary at or before `offset`.
    pub fn char_boundary(&self, offset: usize) -> usize {
        floor_char_boundary(&self.text, offset)
    }

    /// The byte range of the line at an offset, without its line break.
    pub fn line_at(&self, offset: usize) -> Span {
        let offset = floor_char_boundary(&self.text, offset);
        let start = self.text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[offset..].find('\n').map_or(self.text.len(), |at| offset + at);
        start..start + self.text[start..end].trim_end_matches('\r').len()
    }
}

/// Like [`Source::position`].
pub(super) fn position(text: &str, offset: usize) -> Position {
    let before = &text[..floor_char_boundary(text, offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    Position { line, col: before[line_start..].chars().count() + 1 }
}

/// The largest character boundary at or before `offset`.
pub(super) fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters() {
        let source = Source::new("a", "/a", "é: ü\nß: x\n");
        let at = |offset| (source.position(offset).line, source.position(offset).col);
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(source.text.find('ü').expect("there")), (1, 4));
        assert_eq!(at(source.text.find('x').expect("there")), (2, 4));
        assert_eq!(at(source.text.len()), (3, 1));
        assert_eq!(at(usize::MAX), (3, 1));
    }

    #[test]
    fn a_line_is_found_from_any_offset_in_it() {
        let source = Source::new("a", "/a", "one\ntwo\n");
        assert_eq!((source.line_at(0), source.line_at(3), source.line_at(4)), (0..3, 0..3, 4..7));
        assert_eq!(Source::new("a", "/a", "one\r\ntwo").line_at(0), 0..3);
        assert_eq!((source.line_at(8), source.line_at(99)), (8..8, 8..8));
    }

    #[test]
    fn only_a_leading_byte_order_mark_is_removed() {
        let text = |text: &str| Source::new("a", "/a", text).without_byte_order_mark().text;
        assert_eq!(text("\u{feff}a\u{feff}"), "a\u{feff}");
        assert_eq!(text("a"), "a");
    }
}

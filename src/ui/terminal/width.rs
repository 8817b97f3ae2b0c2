//! The width of text in columns of a terminal.
//!
//! East Asian characters and most emoji take two columns, combining marks none. The width is a property of the text
//! (Unicode Standard Annex 11), not of the terminal, so a few terminals differ for ambiguous characters.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The number of columns that `text` takes. It must not contain escape sequences.
pub(in crate::ui) fn columns(text: &str) -> usize {
    text.width()
}

/// `text`, filled with spaces up to `width` columns.
pub(in crate::ui) fn padded(text: &str, width: usize) -> String {
    text.to_owned() + &" ".repeat(width.saturating_sub(columns(text)))
}

/// `text` in at most `width` columns; a cut is marked with an ellipsis.
pub(in crate::ui) fn shortened(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(1) else { return String::new() };
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if columns(&short) > room {
            short.pop();
            break;
        }
    }
    short + "…"
}

/// The number of rows that characters take on a terminal of `width` columns. A wide character does not start in the last
/// column: the terminal wraps before it.
pub(in crate::ui) fn rows(text: impl Iterator<Item = char>, width: usize) -> usize {
    let (mut rows, mut used) = (1, 0);
    for c in text {
        let wide = c.width().unwrap_or(0);
        if used + wide > width && used > 0 {
            rows += 1;
            used = 0;
        }
        used += wide;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns_and_combining_marks_none() {
        for (text, width) in [("", 0), ("abc", 3), ("ü", 1), ("u\u{308}", 1), ("日本", 4), ("🦀", 2), ("…", 1)] {
            assert_eq!(columns(text), width, "{text}");
            assert_eq!(columns(&padded(text, 5)), 5, "{text}");
        }
        assert_eq!(padded("日本", 3), "日本");
    }

    #[test]
    fn shortened_text_never_exceeds_the_width() {
        let table = [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("日本語", 2, "…"),
            ("日本語", 0, ""),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
        ];
        for (text, width, expected) in table {
            assert_eq!(shortened(text, width), expected, "{text} in {width}");
            assert!(columns(&shortened(text, width)) <= width, "{text} in {width}");
        }
    }

    #[test]
    fn a_wide_character_wraps_before_the_last_column() {
        let table = [("", 10, 1), ("日本", 4, 1), ("日本", 3, 2), ("a日本", 4, 2), ("日", 1, 1), ("abc", 1, 3)];
        for (text, width, expected) in table {
            assert_eq!(rows(text.chars(), width), expected, "{text} in {width}");
        }
    }
}

//! Why a text is not YAML, in words that help.
//!
//! The scanner's own words speak of scalars and tokens; a person who writes a spec has made one of a few
//! well-known slips. What is not among them keeps the scanner's words.

use super::diagnostic::Diagnostic;
use super::source::{Span, floor_char_boundary};

/// A slip that the scanner notices.
struct Slip {
    /// A part of what the scanner says, in saphyr-parser 0.3. Another version may use other words: then they are
    /// shown as they are.
    theirs: &'static str,
    at: At,
    ours: &'static str,
    hint: &'static str,
}

/// Where a slip was made, seen from where the scanner noticed it.
#[derive(Clone, Copy)]
enum At {
    Here,
    /// At the last tab before.
    Tab,
    /// On the last line before that says something.
    LineBefore,
}

const fn slip(theirs: &'static str, at: At, ours: &'static str, hint: &'static str) -> Slip {
    Slip { theirs, at, ours, hint }
}

/// The first that fits is taken.
const SLIPS: &[Slip] = &[
    slip(
        "mapping values are not allowed",
        At::Here,
        "a second `: ` where a value is expected",
        "quote text that contains `: `; a key starts a new line, aligned with the keys above",
    ),
    slip("simple key expect", At::LineBefore, "a key without a colon", "write `KEY: VALUE`"),
    slip(
        "did not find expected key",
        At::Here,
        "expected a key of the enclosing mapping",
        "align it with the keys above; list items start with `- `",
    ),
    slip("indentation in quoted", At::Here, "unclosed quote", "close it with the same quote character"),
    slip("unexpected end of stream", At::Here, "unclosed quote", "close it with the same quote character"),
    slip("tab", At::Tab, "a tab is used for indentation", "indent with spaces"),
    slip("',' or ']'", At::Here, "unclosed list in brackets", "separate items with `,` and close the list with `]`"),
    slip(
        "',' or '}'",
        At::Here,
        "unclosed mapping in braces",
        "separate entries with `,` and close the mapping with `}`",
    ),
    slip("placement of ':'", At::Here, "unexpected `:` in brackets", "is a `]` missing on the line above?"),
    slip(
        "unknown anchor",
        At::Here,
        "an alias (`*…`) without an anchor (`&…`) before it",
        "quote text that starts with `*`",
    ),
    slip("anchor or alias", At::Here, "a `*` or `&` without a name", "quote text that starts with it"),
    slip(
        "escape",
        At::Here,
        "an unknown escape in double quotes",
        "write `\\\\` for a backslash, or use single quotes",
    ),
    slip(
        "unexpected character",
        At::Here,
        "a value cannot start with this character",
        "quote text that starts with it",
    ),
    slip(
        "block sequence entries are not allowed",
        At::Here,
        "a list item is not allowed here",
        "start the list on the line after the key, or write it in brackets",
    ),
    slip("invalid indentation", At::Here, "too little indentation", "indent by two spaces more than the key above"),
    slip("trailing content after", At::Here, "text after the closing quote", "put the whole value in quotes"),
    slip(
        "expected <document start>",
        At::Here,
        "text after the end of the value above",
        "align it with the keys above",
    ),
    slip("recursion limit", At::Here, "too many nested brackets", "is a bracket unclosed?"),
    slip("expected node content", At::Here, "a value is missing here", "write a value, or `\"\"` for an empty string"),
];

/// A fault of syntax. `info`: what the scanner says; `noticed`: the byte at which it stopped.
pub fn explain(text: &str, info: &str, noticed: usize) -> Diagnostic {
    let noticed = floor_char_boundary(text, noticed);
    let Some(slip) = SLIPS.iter().find(|slip| info.contains(slip.theirs)) else {
        return Diagnostic::error(one_character(text, noticed), format!("not valid YAML: {info}"))
            .hint("check this line and the one above; quote text with special characters");
    };
    let span = match slip.at {
        At::Here => one_character(text, noticed),
        At::Tab => one_character(text, text[..noticed].rfind('\t').unwrap_or(noticed)),
        At::LineBefore => line_before(text, noticed),
    };
    Diagnostic::error(span, format!("not valid YAML: {}", slip.ours)).hint(slip.hint)
}

/// The words of the last line before that has any.
fn line_before(text: &str, noticed: usize) -> Span {
    let line_start = text[..noticed].rfind('\n').map_or(0, |at| at + 1);
    let mut end = line_start;
    for line in text[..line_start].split_inclusive('\n').rev() {
        let start = end - line.len();
        let words = line.trim();
        if !words.is_empty() && !words.starts_with('#') {
            let indentation = line.len() - line.trim_start().len();
            return start + indentation..start + indentation + words.len();
        }
        end = start;
    }
    one_character(text, noticed)
}

/// The file says nothing.
pub fn empty(at: usize) -> Diagnostic {
    Diagnostic::error(at..at, "the file is empty").hint("start with a line such as `agent: builder`")
}

/// Whether a text can be scanned at all.
///
/// # Errors
/// If it is too long, or has a character that YAML forbids or that its versions read differently, which
/// would make two readers see two files.
pub fn readable(text: &str, max: usize) -> Result<(), Diagnostic> {
    if text.len() > max {
        let fault = Diagnostic::error(0..0, format!("the file is larger than {} KiB", max / 1024));
        return Err(fault.hint("is this the right file?"));
    }
    match text.char_indices().find(|(_, c)| !is_plain(*c)) {
        None => Ok(()),
        Some((at, c)) => {
            let fault = Diagnostic::error(
                at..at + c.len_utf8(),
                format!("the character U+{:04X} is not allowed here", c as u32),
            );
            Err(fault.hint("remove it, or write it as an escape in double quotes"))
        }
    }
}

/// YAML 1.2.2, production 1 (`c-printable`), without the line breaks of YAML 1.1 and the byte order mark.
fn is_plain(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        c => !c.is_control(),
    }
}

/// The character at a byte; nothing at the end of a line.
pub fn one_character(text: &str, at: usize) -> Span {
    let start = floor_char_boundary(text, at);
    let len = text[start..].chars().next().filter(|c| !matches!(c, '\n' | '\r')).map_or(0, char::len_utf8);
    start..start + len
}

//! Helpful messages for YAML syntax errors.
//!
//! The scanner's messages speak of scalars and tokens, while most errors are one of a few common mistakes. Other errors
//! keep the scanner's message.

use super::diagnostic::Diagnostic;
use super::source::{Span, floor_char_boundary};

/// A common mistake.
struct Mistake {
    /// Part of the scanner's message in saphyr-parser 0.3. If another version words it differently, its message is
    /// shown unchanged.
    theirs: &'static str,
    at: At,
    ours: &'static str,
    hint: &'static str,
}

/// The location of a mistake, relative to where the scanner noticed it.
#[derive(Clone, Copy)]
enum At {
    Here,
    /// The last tab before it.
    Tab,
    /// The last line before it that is not blank or a comment.
    LineBefore,
}

const fn mistake(theirs: &'static str, at: At, ours: &'static str, hint: &'static str) -> Mistake {
    Mistake { theirs, at, ours, hint }
}

/// The first match applies.
const COMMON_ERRORS: &[Mistake] = &[
    mistake(
        "mapping values are not allowed",
        At::Here,
        "a second `: ` where a value is expected",
        "quote text that contains `: `; a key starts a new line, aligned with the keys above",
    ),
    mistake("simple key expect", At::LineBefore, "a key without a colon", "write `KEY: VALUE`"),
    mistake(
        "did not find expected key",
        At::Here,
        "expected a key of the enclosing mapping",
        "align it with the keys above; list items start with `- `",
    ),
    mistake("indentation in quoted", At::Here, "unclosed quote", "close it with the same quote character"),
    mistake("unexpected end of stream", At::Here, "unclosed quote", "close it with the same quote character"),
    mistake("tab", At::Tab, "a tab is used for indentation", "indent with spaces"),
    mistake("',' or ']'", At::Here, "unclosed list in brackets", "separate items with `,` and close the list with `]`"),
    mistake(
        "',' or '}'",
        At::Here,
        "unclosed mapping in braces",
        "separate entries with `,` and close the mapping with `}`",
    ),
    mistake("placement of ':'", At::Here, "unexpected `:` in brackets", "is a `]` missing on the line above?"),
    mistake(
        "unknown anchor",
        At::Here,
        "an alias (`*…`) without an anchor (`&…`) before it",
        "quote text that starts with `*`",
    ),
    mistake("anchor or alias", At::Here, "a `*` or `&` without a name", "quote text that starts with it"),
    mistake(
        "escape",
        At::Here,
        "an unknown escape in double quotes",
        "write `\\\\` for a backslash, or use single quotes",
    ),
    mistake(
        "unexpected character",
        At::Here,
        "a value cannot start with this character",
        "quote text that starts with it",
    ),
    mistake(
        "block sequence entries are not allowed",
        At::Here,
        "a list item is not allowed here",
        "start the list on the line after the key, or write it in brackets",
    ),
    mistake("invalid indentation", At::Here, "too little indentation", "indent by two spaces more than the key above"),
    mistake("trailing content after", At::Here, "text after the closing quote", "put the whole value in quotes"),
    mistake(
        "expected <document start>",
        At::Here,
        "text after the end of the value above",
        "align it with the keys above",
    ),
    mistake("recursion limit", At::Here, "too many nested brackets", "is a bracket unclosed?"),
    mistake(
        "expected node content",
        At::Here,
        "a value is missing here",
        "write a value, or `\"\"` for an empty string",
    ),
];

/// The diagnostic for a syntax error. `info`: the scanner's message; `noticed`: the byte offset at which it stopped.
pub fn explain(text: &str, info: &str, noticed: usize) -> Diagnostic {
    let noticed = floor_char_boundary(text, noticed);
    let Some(mistake) = COMMON_ERRORS.iter().find(|mistake| info.contains(mistake.theirs)) else {
        return Diagnostic::error(one_character(text, noticed), format!("not valid YAML: {info}"))
            .hint("check this line and the one above; quote text with special characters");
    };
    let span = match mistake.at {
        At::Here => one_character(text, noticed),
        At::Tab => one_character(text, text[..noticed].rfind('\t').unwrap_or(noticed)),
        At::LineBefore => line_before(text, noticed),
    };
    Diagnostic::error(span, format!("not valid YAML: {}", mistake.ours)).hint(mistake.hint)
}

/// The text of the last line before an offset that is not blank or a comment.
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

/// The diagnostic for an empty file.
pub fn empty(at: usize) -> Diagnostic {
    Diagnostic::error(at..at, "the file is empty").hint("start with a line such as `agent: builder`")
}

/// Checks that a text can be scanned.
///
/// # Errors If it is too long, or has a character that YAML forbids or that YAML versions read differently: two parsers
/// would see two different files.
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

/// The span of the character at a byte offset; empty at the end of a line.
pub fn one_character(text: &str, at: usize) -> Span {
    let start = floor_char_boundary(text, at);
    let len = text[start..].chars().next().filter(|c| !matches!(c, '\n' | '\r')).map_or(0, char::len_utf8);
    start..start + len
}

//! Substitution of `${NAME}` in a text.
//!
//! The caller supplies the values and words the errors.

use super::scan::SOURCE_MAX;

/// Why a variable cannot be substituted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfilled {
    /// `${` without its `}`.
    Open,
    /// The text between the braces is not a valid form.
    NoVariable(String),
    Unset {
        name: String,
        /// The message of `${NAME:?message}`.
        message: Option<String>,
    },
    TooDeep,
    /// Reported once.
    TooLong,
}

/// Substitutes variables.
pub(super) struct Expander<'a> {
    pub value: &'a mut dyn FnMut(&str) -> Option<String>,
    /// The bytes substituted so far: a few characters may expand to a long value each.
    pub length: &'a mut usize,
    pub unfilled: Vec<Unfilled>,
}

/// Limit for nested defaults; real files have one or two levels.
const DEPTH_MAX: usize = 8;

impl Expander<'_> {
    /// The text after substitution, and whether it had variables.
    pub fn expand(&mut self, text: &str) -> (String, bool) {
        self.text(text, 0)
    }

    fn text(&mut self, text: &str, depth: usize) -> (String, bool) {
        let (mut out, mut has_variables, mut rest) = (String::new(), false, text);
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(tail) = after.strip_prefix('$') {
                out.push('$');
                rest = tail;
            } else if let Some(inner) = after.strip_prefix('{') {
                let Some(end) = closing(inner) else {
                    self.unfilled.push(Unfilled::Open);
                    return (out, true);
                };
                out.push_str(&self.variable(&inner[..end], depth));
                has_variables = true;
                rest = &inner[end + 1..];
            } else {
                out.push('$');
                rest = after;
            }
            if self.is_too_long(out.len()) {
                return (String::new(), true);
            }
        }
        out.push_str(rest);
        *self.length += if has_variables { out.len() } else { 0 };
        (out, has_variables)
    }

    /// The value of `NAME`, `NAME:-default` or `NAME:?message`.
    fn variable(&mut self, inner: &str, depth: usize) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = inner.find(|c: char| !plain(c)).unwrap_or(inner.len());
        let (name, operator) = inner.split_at(end);
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let known = operator.is_empty() || operator.starts_with(":-") || operator.starts_with(":?");
        if !is_name || !known {
            self.unfilled.push(Unfilled::NoVariable(inner.to_owned()));
            return String::new();
        }
        let value = (self.value)(name).filter(|value| operator.is_empty() || !value.is_empty());
        if let Some(value) = value {
            return value;
        }
        if let Some(default) = operator.strip_prefix(":-") {
            if depth == DEPTH_MAX {
                self.unfilled.push(Unfilled::TooDeep);
                return String::new();
            }
            return self.text(default, depth + 1).0;
        }
        let message = operator.strip_prefix(":?").filter(|message| !message.is_empty()).map(str::to_owned);
        self.unfilled.push(Unfilled::Unset { name: name.to_owned(), message });
        String::new()
    }

    /// Reports once that the substituted values exceed the limit for a file.
    fn is_too_long(&mut self, more: usize) -> bool {
        let too_long = *self.length + more > SOURCE_MAX;
        if too_long && *self.length <= SOURCE_MAX {
            *self.length = SOURCE_MAX + 1;
            self.unfilled.push(Unfilled::TooLong);
        }
        too_long
    }
}

/// The offset of the closing brace.
fn closing(inner: &str) -> Option<usize> {
    let mut open = 1;
    let mut before = ' ';
    for (at, c) in inner.char_indices() {
        match c {
            '{' if before == '$' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
        before = c;
    }
    None
}

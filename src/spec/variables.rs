//! `${VAR}` in values: filled in after parsing, so that no value can change the form of the file.
//!
//! From the environment, or else from the `.env` beside the file. Keys are left as they are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, quoted};
use super::envfile;
use super::scan::SOURCE_MAX;
use super::source::Span;
use super::surroundings::{Surroundings, Unread};
use super::tree::{Content, Node, Scalar};

/// Fills in the values of trees.
pub(super) struct Filler<'a> {
    around: &'a dyn Surroundings,
    /// The `.env` beside the file; read when it is first needed.
    beside: PathBuf,
    file: Option<BTreeMap<String, String>>,
    /// What has been filled in so far, in bytes: a few signs may stand for a long value each.
    length: usize,
    pub faults: Vec<Diagnostic>,
}

/// A default may have variables itself, and so on. Nobody writes more levels than these.
const DEPTH_MAX: usize = 8;

impl<'a> Filler<'a> {
    pub fn new(around: &'a dyn Surroundings, beside: PathBuf) -> Self {
        Self { around, beside, file: None, length: 0, faults: Vec::new() }
    }

    /// Fills in every value of a tree.
    pub fn fill(&mut self, node: &mut Node) {
        match &mut node.content {
            Content::Scalar(kind, text) => {
                if text.contains('$') {
                    let (filled, from_outside) = self.text(text, &node.span, 0);
                    (*kind, *text) = (Scalar::Text, filled);
                    node.filled = from_outside;
                }
            }
            Content::List(items) => items.iter_mut().for_each(|item| self.fill(item)),
            Content::Map(entries) => entries.iter_mut().for_each(|entry| self.fill(&mut entry.value)),
        }
    }

    /// The text with its variables filled in, and whether there were any.
    fn text(&mut self, text: &str, span: &Span, depth: usize) -> (String, bool) {
        let (mut out, mut from_outside, mut rest) = (String::new(), false, text);
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(tail) = after.strip_prefix('$') {
                out.push('$');
                rest = tail;
            } else if let Some(inner) = after.strip_prefix('{') {
                let Some(end) = closing(inner) else {
                    self.fault(span, "`${` without its `}`", "close it, or write `$$` for a dollar sign");
                    return (out, true);
                };
                out.push_str(&self.variable(&inner[..end], span, depth));
                from_outside = true;
                rest = &inner[end + 1..];
            } else {
                out.push('$');
                rest = after;
            }
            if self.is_too_long(out.len(), span) {
                return (String::new(), true);
            }
        }
        out.push_str(rest);
        self.length += if from_outside { out.len() } else { 0 };
        (out, from_outside)
    }

    /// The value of `NAME`, `NAME:-default` or `NAME:?message`.
    fn variable(&mut self, inner: &str, span: &Span, depth: usize) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = inner.find(|c: char| !plain(c)).unwrap_or(inner.len());
        let (name, operator) = inner.split_at(end);
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let known = operator.is_empty() || operator.starts_with(":-") || operator.starts_with(":?");
        if !is_name || !known {
            let message = format!("{} is no variable", quoted(&format!("${{{inner}}}")));
            let hint = "write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`, and `$$` for a dollar sign";
            self.fault(span, message, hint);
            return String::new();
        }
        let value = self.value(name, span).filter(|value| operator.is_empty() || !value.is_empty());
        if let Some(value) = value {
            return value;
        }
        if let Some(default) = operator.strip_prefix(":-") {
            if depth == DEPTH_MAX {
                self.fault(span, "too many defaults within defaults", "write the value out");
                return String::new();
            }
            return self.text(default, span, depth + 1).0;
        }
        let hint = format!("set it, put it into {}, or write `${{{name}:-default}}`", self.shown_file());
        match operator.strip_prefix(":?").filter(|message| !message.is_empty()) {
            Some(message) => self.fault(span, format!("the variable `{name}` is needed: {message}"), hint),
            None => self.fault(span, format!("the variable `{name}` is not set"), hint),
        }
        String::new()
    }

    fn value(&mut self, name: &str, span: &Span) -> Option<String> {
        if let Some(value) = self.around.variable(name) {
            return Some(value);
        }
        if self.file.is_none() {
            let read = match self.around.read(&self.beside) {
                Ok(text) => envfile::parse(&text),
                Err(Unread::Missing) => Ok(BTreeMap::new()),
                Err(Unread::Unreadable(why)) => Err(format!("it cannot be read: {why}")),
            };
            self.file = Some(read.unwrap_or_else(|why| {
                let message = format!("{}: {why}", self.shown_file());
                self.fault(span, message, "correct it, or remove it");
                BTreeMap::new()
            }));
        }
        self.file.as_ref()?.get(name).cloned()
    }

    /// One file that is larger than any file may be has gone wrong.
    fn is_too_long(&mut self, more: usize, span: &Span) -> bool {
        let too_long = self.length + more > SOURCE_MAX;
        if too_long && self.length <= SOURCE_MAX {
            self.length = SOURCE_MAX + 1;
            let message = format!("with its variables the file has more than {} KiB", SOURCE_MAX / 1024);
            self.fault(span, message, "is this the variable that was meant?");
        }
        too_long
    }

    fn shown_file(&self) -> String {
        quoted(&self.beside.file_name().unwrap_or_default().to_string_lossy())
    }

    fn fault(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Diagnostic::error(span.clone(), message).hint(hint));
    }
}

/// Where the brace that was opened before closes.
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

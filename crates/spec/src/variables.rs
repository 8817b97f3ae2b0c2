//! `${VAR}` in values: filled in after parsing, so that no value can change the form of the file.
//!
//! From the environment, or else from the `.env` beside the file. Keys are left as they are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, quoted};
use super::envfile::{self, BadFile};
use super::environment::{Environment, Unread};
use super::expand::{Expander, Unfilled};
use super::scan::SOURCE_MAX;
use super::source::Span;
use super::tree::{Content, Node, Scalar};

/// Fills in the values of trees.
pub(super) struct Filler<'a> {
    beside: Beside<'a>,
    length: usize,
    pub faults: Vec<Diagnostic>,
}

/// Where the values come from.
struct Beside<'a> {
    around: &'a dyn Environment,
    /// The `.env` beside the file; read when it is first needed.
    path: PathBuf,
    file: Option<BTreeMap<String, String>>,
    /// Why it has no text.
    unread: Option<String>,
    /// What is wrong with its lines.
    bad: Option<BadFile>,
}

impl<'a> Filler<'a> {
    pub fn new(around: &'a dyn Environment, path: PathBuf) -> Self {
        let beside = Beside { around, path, file: None, unread: None, bad: None };
        Self { beside, length: 0, faults: Vec::new() }
    }

    /// Fills in every value of a tree.
    pub fn fill(&mut self, node: &mut Node) {
        match &mut node.content {
            Content::Scalar(kind, text) => {
                if text.contains('$') {
                    let (filled, from_outside) = self.text(text, &node.span);
                    node.filled = from_outside.then(|| std::mem::replace(text, filled.clone()));
                    (*kind, *text) = (Scalar::Text, filled);
                }
            }
            Content::List(items) => items.iter_mut().for_each(|item| self.fill(item)),
            Content::Map(entries) => entries.iter_mut().for_each(|entry| self.fill(&mut entry.value)),
        }
    }

    /// What is wrong with the `.env`, as far as it was needed.
    pub fn bad_file(&mut self) -> Option<BadFile> {
        self.beside.bad.take()
    }

    /// The text with its variables filled in, and whether there were any.
    fn text(&mut self, text: &str, span: &Span) -> (String, bool) {
        let Self { beside, length, .. } = self;
        let mut expander = Expander { value: &mut |name| beside.value(name), length, unfilled: Vec::new() };
        let filled = expander.expand(text);
        let unfilled = expander.unfilled;
        let shown_file = quoted(&self.beside.path.file_name().unwrap_or_default().to_string_lossy());
        if let Some(why) = self.beside.unread.take() {
            self.fault(span, format!("cannot read {shown_file}: {why}"), "fix it, or remove it");
        }
        for unfilled in unfilled {
            let (message, hint) = worded(unfilled, &shown_file);
            self.fault(span, message, hint);
        }
        filled
    }

    fn fault(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Diagnostic::error(span.clone(), message).hint(hint));
    }
}

impl Beside<'_> {
    fn value(&mut self, name: &str) -> Option<String> {
        if let Some(value) = self.around.variable(name) {
            return Some(value);
        }
        if self.file.is_none() {
            self.file = Some(match self.around.read(&self.path) {
                Ok(text) => {
                    let (variables, bad) = envfile::parse(&text);
                    self.bad = bad;
                    variables
                }
                Err(Unread::Missing) => BTreeMap::new(),
                Err(Unread::Unreadable(why)) => {
                    self.unread = Some(why);
                    BTreeMap::new()
                }
            });
        }
        self.file.as_ref()?.get(name).cloned()
    }
}

/// What is said of a variable in a value of a spec.
fn worded(unfilled: Unfilled, shown_file: &str) -> (String, String) {
    match unfilled {
        Unfilled::Open => ("unclosed `${`".to_owned(), "close it, or write `$$` for a dollar sign".to_owned()),
        Unfilled::NoVariable(inner) => (
            format!("{} is not a variable", quoted(&format!("${{{inner}}}"))),
            "write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`, and `$$` for a dollar sign".to_owned(),
        ),
        Unfilled::Unset { name, message } => {
            let hint = format!("set it, add it to {shown_file}, or write `${{{name}:-default}}`");
            match message {
                Some(message) => (format!("the variable `{name}` is required: {message}"), hint),
                None => (format!("the variable `{name}` is not set"), hint),
            }
        }
        Unfilled::TooDeep => ("too many nested defaults".to_owned(), "write the value out".to_owned()),
        Unfilled::TooLong => (
            format!("the file is larger than {} KiB after substitution", SOURCE_MAX / 1024),
            "is this the right variable?".to_owned(),
        ),
    }
}

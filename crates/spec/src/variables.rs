//! `${VAR}` in values, substituted after parsing so that a value cannot change the structure of the file.
//!
//! Values come from the environment, or else from the `.env` next to the file. Keys are not substituted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, quoted};
use super::envfile::{self, BadFile};
use super::environment::{Environment, FileError};
use super::expand::{Expander, Unfilled};
use super::scan::SOURCE_MAX;
use super::source::Span;
use super::tree::{Content, Node, Scalar};

/// Substitutes variables in trees.
pub(super) struct Filler<'a> {
    values: Values<'a>,
    length: usize,
    pub faults: Vec<Diagnostic>,
}

/// The values of variables.
struct Values<'a> {
    env: &'a dyn Environment,
    /// The `.env` next to the file, read when it is first needed.
    path: PathBuf,
    file: Option<BTreeMap<String, String>>,
    /// Why it cannot be read.
    unread: Option<String>,
    /// Its errors.
    bad: Option<BadFile>,
}

impl<'a> Filler<'a> {
    pub fn new(env: &'a dyn Environment, path: PathBuf) -> Self {
        let values = Values { env, path, file: None, unread: None, bad: None };
        Self { values, length: 0, faults: Vec::new() }
    }

    /// Substitutes variables in every value of a tree.
    pub fn fill(&mut self, node: &mut Node) {
        match &mut node.content {
            Content::Scalar(kind, text) => {
                if text.contains('$') {
                    let (filled, has_variables) = self.text(text, &node.span);
                    node.filled = has_variables.then(|| std::mem::replace(text, filled.clone()));
                    (*kind, *text) = (Scalar::Text, filled);
                }
            }
            Content::List(items) => items.iter_mut().for_each(|item| self.fill(item)),
            Content::Map(entries) => entries.iter_mut().for_each(|entry| self.fill(&mut entry.value)),
        }
    }

    /// The errors of the `.env`, if it was needed.
    pub fn bad_file(&mut self) -> Option<BadFile> {
        self.values.bad.take()
    }

    /// The text after substitution, and whether it had variables.
    fn text(&mut self, text: &str, span: &Span) -> (String, bool) {
        let Self { values, length, .. } = self;
        let mut expander = Expander { value: &mut |name| values.value(name), length, unfilled: Vec::new() };
        let filled = expander.expand(text);
        let unfilled = expander.unfilled;
        let shown_file = quoted(&self.values.path.file_name().unwrap_or_default().to_string_lossy());
        if let Some(why) = self.values.unread.take() {
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

impl Values<'_> {
    fn value(&mut self, name: &str) -> Option<String> {
        if let Some(value) = self.env.variable(name) {
            return Some(value);
        }
        if self.file.is_none() {
            self.file = Some(match self.env.read(&self.path) {
                Ok(text) => {
                    let (variables, bad) = envfile::parse(&text);
                    self.bad = bad;
                    variables
                }
                Err(FileError::Missing) => BTreeMap::new(),
                Err(FileError::Unreadable(why)) => {
                    self.unread = Some(why);
                    BTreeMap::new()
                }
            });
        }
        self.file.as_ref()?.get(name).cloned()
    }
}

/// Message and hint for a variable in a spec.
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

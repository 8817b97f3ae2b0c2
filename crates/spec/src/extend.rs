//! `extends`: inherits keys from other files.
//!
//! Mappings are merged key by key; any other value replaces the inherited one. Later files override earlier ones.

use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, quoted};
use super::environment::{Environment, FileError};
use super::language;
use super::scan::scan;
use super::source::{Source, Span};
use super::tree::{Content, Entry, Node};
use super::variables::Filler;

/// Merges documents with the files that they extend.
pub(super) struct Loader<'a> {
    pub source: Source,
    pub env: &'a dyn Environment,
    pub filler: Filler<'a>,
    pub faults: Vec<Diagnostic>,
    /// The files being read, innermost last.
    open: Vec<PathBuf>,
    files: usize,
}

/// More files are a mistake, and each may have the maximum size.
const FILES_MAX: usize = 16;

/// The key and its alias.
const EXTENDS: [&str; 2] = ["extends", "include"];

impl<'a> Loader<'a> {
    pub fn new(source: Source, env: &'a dyn Environment) -> Self {
        let beside = source.path.with_file_name(".env");
        let open = vec![source.path.clone()];
        Self { source, env, filler: Filler::new(env, beside), faults: Vec::new(), open, files: 0 }
    }

    /// The document after substitution of variables, merged with the files that it extends.
    pub fn complete(&mut self, mut document: Node) -> Node {
        self.filler.fill(&mut document);
        let Content::Map(entries) = &mut document.content else { return document };
        let (named, rest): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(entries).into_iter().partition(|entry| EXTENDS.contains(&entry.key.as_str()));
        *entries = rest;
        let mut base: Option<Node> = None;
        for entry in named {
            for (text, span) in paths(&entry.value) {
                if let Some(found) = self.file(&text, &span) {
                    base = Some(base.map_or(found.clone(), |base| merge(found, base)));
                }
            }
            // `check` reports values that are not paths.
            if paths(&entry.value).is_empty()
                && let Content::Map(entries) = &mut document.content
            {
                entries.push(entry);
            }
        }
        base.map_or(document.clone(), |base| merge(document, base))
    }

    /// Another file, merged with the files that it extends.
    fn file(&mut self, text: &str, span: &Span) -> Option<Node> {
        let folder = self.source.path_at(span.start).parent().map(Path::to_path_buf).unwrap_or_default();
        let path = super::paths::plain(&folder.join(text));
        let shown = Path::new(self.source.name_at(span.start)).with_file_name(text).display().to_string();
        if self.open.contains(&path) {
            return self.refuse(
                span,
                format!("{} extends itself", quoted(text)),
                "remove one of the `extends` entries",
            );
        }
        self.files += 1;
        if self.files > FILES_MAX {
            return self.refuse(span, format!("more than {FILES_MAX} files are extended"), "extend fewer files");
        }
        let written = match self.env.read(&path) {
            Ok(written) => written,
            Err(FileError::Missing) => {
                return self.refuse(
                    span,
                    format!("file {} does not exist", quoted(text)),
                    "the path is relative to this file",
                );
            }
            Err(FileError::Unreadable(why)) => {
                return self.refuse(span, format!("cannot read {}: {why}", quoted(text)), "check the path");
            }
        };
        let start = self.source.append(shown, &path, &written);
        let (mut roots, faults) = scan(&self.source.text[start..]);
        self.faults.extend(
            faults
                .into_iter()
                .map(|fault| Diagnostic { span: fault.span.start + start..fault.span.end + start, ..fault }),
        );
        if roots.len() > 1 {
            let hint = "move the shared part to a separate file";
            return self.refuse(span, format!("{} contains several documents", quoted(text)), hint);
        }
        let root = roots.pop()?.shifted(start);
        self.open.push(path);
        let complete = self.complete(root);
        self.open.pop();
        Some(complete)
    }

    fn refuse<T>(&mut self, span: &Span, message: String, hint: &str) -> Option<T> {
        self.faults.push(Diagnostic::error(span.clone(), message).hint(hint));
        None
    }
}

/// The paths in a value; empty if it has another type.
fn paths(node: &Node) -> Vec<(String, Span)> {
    match &node.content {
        Content::Scalar(_, text) if !text.is_empty() => vec![(text.clone(), node.span.clone())],
        Content::List(items) => items.iter().flat_map(paths).collect(),
        _ => Vec::new(),
    }
}

/// Merges a value over an inherited one.
fn merge(top: Node, base: Node) -> Node {
    let (Content::Map(own), Content::Map(mut entries)) = (&top.content, base.content) else { return top };
    for entry in own {
        let same = |other: &Entry| language::name_of(&other.key) == language::name_of(&entry.key);
        match entries.iter().position(same) {
            Some(at) => {
                let base = entries[at].value.clone();
                entries[at] = Entry { value: merge(entry.value.clone(), base), ..entry.clone() };
            }
            None => entries.push(entry.clone()),
        }
    }
    Node { content: Content::Map(entries), ..top }
}

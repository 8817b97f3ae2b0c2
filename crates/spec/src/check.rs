//! Checks a tree against a shape, and collects all errors.
//!
//! Each error points to the word or value to change, says what was expected and found, and what to write instead.

use std::collections::BTreeMap;

use super::diagnostic::{DIAGNOSTICS_MAX, Diagnostic, quoted};
use super::egress;
use super::language::foreign_keys::{ForeignKey, Handling, foreign_key};
use super::shape::{Fault, Key, Shape};
use super::source::{Source, Span};
use super::suggest::suggest;
use super::tree::{Content, Entry, Node, Scalar};

/// All differences between a document and the language.
pub fn check(source: &Source, root: &Node, language: &'static Shape) -> Vec<Diagnostic> {
    let mut checker = Checker { source, language, faults: Vec::new() };
    checker.value("", root, root.span.clone(), language);
    checker.faults
}

struct Checker<'t> {
    source: &'t Source,
    language: &'static Shape,
    faults: Vec<Diagnostic>,
}

impl Checker<'_> {
    /// `place` is where to point if the value is missing or has the wrong type.
    fn value(&mut self, path: &str, node: &Node, place: Span, shape: &'static Shape) {
        if !shape.fits(node) {
            let fault = wrong_type(path, node, shape);
            self.fault(place, fault);
            return;
        }
        match (shape, &node.content) {
            (Shape::Either(shapes), Content::Map(entries))
                if takes_text(shapes) && is_split_short_form(shapes, entries) =>
            {
                let hint = colon_without_space(entries).unwrap_or_default();
                self.fault(place, Fault::new(format!("{} has a space after its colon", name(path)), hint));
            }
            (Shape::Either(shapes), _) => {
                if let Some(shape) = shapes.iter().find(|shape| shape.fits(node)) {
                    self.value(path, node, place, shape);
                }
            }
            (Shape::Text(_), Content::Scalar(_, text)) if text.is_empty() => {
                self.fault(place, Fault::new(format!("{} is empty", name(path)), "write a value, or leave it out"));
            }
            (Shape::Text(rule) | Shape::Line(rule) | Shape::Scalar(rule), Content::Scalar(_, text)) => {
                if let Err(fault) = rule(text) {
                    self.fault(place, fault);
                }
            }
            (Shape::Choice(words), Content::Scalar(_, text)) => self.choice(path, text, place, words, shape),
            (Shape::List { item, if_empty, unique }, Content::List(items)) => {
                self.list(path, items, item, *unique);
                if let (Some(hint), true) = (if_empty, items.is_empty()) {
                    self.fault(place, Fault::new(format!("{} is empty", name(path)), *hint));
                }
            }
            (Shape::Map { name, value }, Content::Map(entries)) => {
                for entry in entries {
                    if let Err(fault) = name(&entry.key) {
                        self.fault(entry.key_span.clone(), fault);
                    }
                    self.value(&below(path, &entry.key), &entry.value, place_of(entry), value);
                }
            }
            (Shape::Keys(keys), Content::Map(entries)) => self.keys(path, node, entries, keys),
            _ => {}
        }
    }

    fn choice(&mut self, path: &str, text: &str, place: Span, words: &'static [&'static str], shape: &Shape) {
        if words.contains(&text) {
            return;
        }
        let message = format!("{} must be {}, not {}", name(path), shape.expected(), quoted(text));
        let hint = match suggest(text, words.iter().copied()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("write {}", shape.expected()),
        };
        self.fault(place, Fault::new(message, hint));
    }

    fn list(&mut self, path: &str, items: &[Node], shape: &'static Shape, unique: bool) {
        let mut seen = BTreeMap::new();
        for (i, item) in items.iter().enumerate() {
            if let Some(fault) = egress::request_rule(path, item) {
                self.fault(item.span.clone(), fault);
                continue;
            }
            self.value(&format!("{path}[{i}]"), item, item.span.clone(), shape);
            let Content::Scalar(_, text) = &item.content else { continue };
            if let (true, Some(first)) = (unique, seen.insert(text, item.span.start)) {
                let hint = format!("it is already on {}; keep one of them", self.line_of(first, item.span.start));
                self.fault(item.span.clone(), Fault::new(format!("{} is listed twice", quoted(text)), hint));
            }
        }
    }

    fn keys(&mut self, path: &str, node: &Node, entries: &[Entry], keys: &'static [Key]) {
        let mut meant = Vec::new();
        for entry in entries {
            let known = keys.iter().find(|key| key.is(&entry.key));
            // `scan` has already reported duplicates of the same name.
            let twice = |key: &&Key| entries.iter().any(|other| key.is(&other.key) && other.key != entry.key);
            if let Some(key) = known.filter(twice).filter(|key| meant.contains(&key.name)) {
                let message = format!("{} is given twice, once under an alias", quoted(key.name));
                self.fault(entry.key_span.clone(), Fault::new(message, "keep one of them"));
            }
            if known.is_none() && self.is_foreign(path, entry) {
                continue;
            }
            let known = known.or_else(|| {
                let (fault, guess) = self.unknown_key(path, &entry.key, keys);
                self.fault(entry.key_span.clone(), fault);
                guess
            });
            // The value of a misspelled key is checked as well, so that fixing the key reveals no new error.
            if let Some(key) = known {
                meant.push(key.name);
                self.value(&below(path, key.name), &entry.value, place_of(entry), &key.shape);
            }
        }
        for key in keys.iter().filter(|key| !meant.contains(&key.name)) {
            if let Some(line) = key.required {
                let message = format!("{} is missing", name(&below(path, key.name)));
                let fault = Fault::new(message, format!("add a line such as `{line}`"));
                self.fault(node.span.start..node.span.start, fault);
            }
        }
    }

    /// Reports a key that other tools have and moat does not.
    fn is_foreign(&mut self, path: &str, entry: &Entry) -> bool {
        let Some(ForeignKey { path, handling, reason, hint }) = foreign_key(&below(path, &entry.key)) else {
            return false;
        };
        let place = entry.key_span.clone();
        let finding = match handling {
            Handling::Refused => Diagnostic::error(place, format!("`{path}` is not supported: {reason}")),
            Handling::Ignored => Diagnostic::warning(place, format!("`{path}` is ignored: {reason}")),
        };
        self.faults.push(finding.hint(*hint));
        true
    }

    /// The error for an unknown key, and the key that was meant, if that is nearly certain.
    fn unknown_key(&self, path: &str, key: &str, keys: &'static [Key]) -> (Fault, Option<&'static Key>) {
        let message = match path {
            "" => format!("unknown key {}", quoted(key)),
            _ => format!("unknown key {} in {}", quoted(key), name(path)),
        };
        let named = |name: &str| keys.iter().find(|known| known.name == name);
        if let Some(known) = keys.iter().find(|known| known.also.contains(&key)) {
            return (Fault::new(message, format!("write `{}` instead", known.name)), Some(known));
        }
        if let Some(parent) = self.language.parents_of(key).first() {
            let belongs = if parent.is_empty() { "at the top level".to_owned() } else { format!("in `{parent}`") };
            return (Fault::new(message, format!("`{key}` belongs {belongs}")), None);
        }
        if let Some(path) = self.nested_synonym(key).filter(|_| path.is_empty()) {
            return (Fault::new(message, format!("write `{path}` instead")), None);
        }
        if let Some(known) = suggest(key, keys.iter().map(|known| known.name)).and_then(named) {
            return (Fault::new(message, format!("did you mean `{}`?", known.name)), Some(known));
        }
        (Fault::new(message, names_of(keys)), None)
    }

    /// The nested key that other tools call by this word: `mem_limit` is `container.memory`.
    fn nested_synonym(&self, word: &str) -> Option<String> {
        let mut found = None;
        self.language.visit("", &mut |path, key| {
            if !path.is_empty() && !path.contains('.') && key.also.contains(&word) && found.is_none() {
                found = Some(format!("{path}.{}", key.name));
            }
        });
        found.filter(|path| path.starts_with("container.") || path.starts_with("network."))
    }

    /// The line of an earlier place, for a message about a later one.
    fn line_of(&self, earlier: usize, later: usize) -> String {
        // Counting lines takes time proportional to the file, and so many errors are never shown.
        if self.faults.len() > DIAGNOSTICS_MAX {
            return "a line above".to_owned();
        }
        let (earlier, later) = (self.source.position(earlier).line, self.source.position(later).line);
        if earlier == later { "this line".to_owned() } else { format!("line {earlier}") }
    }

    fn fault(&mut self, place: Span, fault: Fault) {
        self.faults.push(Diagnostic::error(place, fault.message).hint(fault.hint));
    }
}

/// The error for a value of the wrong type.
fn wrong_type(path: &str, node: &Node, shape: &Shape) -> Fault {
    let is_empty_key = matches!(&node.content, Content::Scalar(Scalar::Null, text) if text.is_empty());
    let message = if is_empty_key {
        format!("{} has no value", name(path))
    } else {
        format!("{} must be {}, not {}", name(path), shape.expected(), found(node))
    };
    Fault::new(message, advice(node, shape))
}

fn found(node: &Node) -> String {
    match &node.content {
        Content::Scalar(Scalar::Null, _) => "null".into(),
        Content::Scalar(Scalar::Bool, text) => format!("the boolean {}", quoted(text)),
        Content::Scalar(Scalar::Number, text) => format!("the number {}", quoted(text)),
        Content::Scalar(Scalar::Text, _) => "a string".into(),
        Content::List(_) => "a list".into(),
        Content::Map(_) => "a mapping".into(),
    }
}

/// What to write instead of a value of the wrong type.
fn advice(node: &Node, shape: &Shape) -> String {
    match (shape, &node.content) {
        (Shape::Scalar(_), Content::Scalar(Scalar::Null, _)) => "write `\"\"` for an empty value".into(),
        (Shape::Map { .. } | Shape::Keys(_), Content::List(_) | Content::Scalar(Scalar::Null, _)) => lines_of(shape),
        (_, Content::Scalar(Scalar::Null, _)) => "write a value, or leave it out".into(),
        (Shape::Text(_) | Shape::Either(_), Content::Scalar(Scalar::Bool | Scalar::Number, text)) => {
            format!("put it in quotes: `\"{text}\"`")
        }
        (Shape::Text(_) | Shape::Scalar(_) | Shape::Either(_), Content::Map(entries)) => {
            colon_without_space(entries).unwrap_or_else(|| "write a single value".into())
        }
        (Shape::Text(_) | Shape::Choice(_) | Shape::Scalar(_) | Shape::Bool, Content::List(_)) => {
            "write a single value, without `-` or brackets".into()
        }
        (Shape::List { .. }, Content::Scalar(_, text)) => {
            format!("write it as a list item: {}", quoted(&format!("- {text}")))
        }
        (Shape::List { .. }, Content::Map(_)) => "write one item per line, each starting with `- `".into(),
        (Shape::Map { .. } | Shape::Keys(_), Content::Scalar(_, text)) => {
            colon_with_space(text).unwrap_or_else(|| lines_of(shape))
        }
        _ => format!("write {}", shape.expected()),
    }
}

/// `docker: dind` is a mapping; `docker:dind` was meant.
fn colon_without_space(entries: &[Entry]) -> Option<String> {
    let [Entry { key, value: Node { content: Content::Scalar(_, text), .. }, .. }] = entries else { return None };
    Some(format!("a space after the colon makes a mapping: write {}", quoted(&format!("{key}:{text}"))))
}

/// Whether a single string is allowed.
fn takes_text(shapes: &[Shape]) -> bool {
    shapes.iter().any(|shape| matches!(shape, Shape::Text(_) | Shape::Scalar(_)))
}

/// Whether a mapping is a short form with an extra space: `- 8080: 80` has one entry, and no key of the long form.
fn is_split_short_form(shapes: &[Shape], entries: &[Entry]) -> bool {
    let known = |key: &str| {
        shapes.iter().any(|shape| match shape {
            Shape::Keys(keys) => keys.iter().any(|known| known.is(key) || known.also.contains(&key)),
            _ => false,
        })
    };
    let is_short = |key: &str| key.contains(['/', '.', '~', '-']) || key.starts_with(|c: char| c.is_ascii_digit());
    matches!(entries, [entry] if !known(&entry.key) && is_short(&entry.key)) && colon_without_space(entries).is_some()
}

/// `agent:builder` is text; `agent: builder` was meant.
fn colon_with_space(text: &str) -> Option<String> {
    let (key, value) = text.split_once([':', '='])?;
    (!key.contains(char::is_whitespace) && !value.is_empty())
        .then(|| format!("write a space after the colon: {}", quoted(&format!("{key}: {value}"))))
}

fn lines_of(shape: &Shape) -> String {
    match shape {
        Shape::Keys(keys) => {
            format!("write `KEY: VALUE` lines; {}", names_of(keys))
        }
        _ => "write `NAME: VALUE` lines, without dashes".into(),
    }
}

/// A longer list in a hint is not readable.
const NAMES_MAX: usize = 8;

fn names_of(keys: &[Key]) -> String {
    if keys.len() > NAMES_MAX {
        return "`moat explain` lists all keys".to_owned();
    }
    format!("the keys are {}", keys.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", "))
}

/// Where to point for a value: at its key if the value is missing.
fn place_of(entry: &Entry) -> Span {
    match &entry.value.content {
        Content::Scalar(Scalar::Null, text) if text.is_empty() => entry.key_span.clone(),
        _ => entry.value.span.clone(),
    }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The name of a path in a message.
fn name(path: &str) -> String {
    if path.is_empty() { "the file".to_owned() } else { quoted(path) }
}

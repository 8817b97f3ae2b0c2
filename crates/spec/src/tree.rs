//! A YAML document as it was written: what is where, before anything is known about its meaning.

use std::collections::BTreeMap;

use super::source::Span;

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// From the first to the last character of the value. Of a value that is not there (`key:`), the sign
    /// after which it is missing.
    pub span: Span,
    pub content: Content,
    /// As it was written, if something of it comes from the environment.
    pub filled: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Quotes, folding and escapes are undone; otherwise the text that was written.
    Scalar(Scalar, String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// What a scalar is in the eyes of YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    Null,
    Bool,
    Number,
    Text,
}

/// A key of a mapping with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Node,
}

/// Where things were written, by their path: `buildkit.image`, `dependencies.0`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places(BTreeMap<String, Place>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    key: Span,
    value: Span,
    filled: Option<String>,
}

impl Node {
    /// How many levels it has; a scalar has one.
    pub fn height(&self) -> usize {
        1 + self.children().map(Self::height).max().unwrap_or(0)
    }

    /// How many nodes it has, itself included.
    pub fn size(&self) -> usize {
        1 + self.children().map(Self::size).sum::<usize>()
    }

    /// The same value as if all of it were written at `span`.
    #[must_use]
    pub fn moved_to(&self, span: &Span) -> Self {
        let content = match &self.content {
            Content::Scalar(kind, text) => Content::Scalar(*kind, text.clone()),
            Content::List(items) => Content::List(items.iter().map(|item| item.moved_to(span)).collect()),
            Content::Map(entries) => Content::Map(entries.iter().map(|entry| entry.moved_to(span)).collect()),
        };
        Self { span: span.clone(), content, filled: self.filled.clone() }
    }

    /// The same tree where its text is behind another one.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> Self {
        self.shift(by);
        self
    }

    fn shift(&mut self, by: usize) {
        let moved = |span: &mut Span| *span = span.start + by..span.end + by;
        moved(&mut self.span);
        match &mut self.content {
            Content::Scalar(..) => {}
            Content::List(items) => items.iter_mut().for_each(|item| item.shift(by)),
            Content::Map(entries) => {
                for entry in entries {
                    moved(&mut entry.key_span);
                    entry.value.shift(by);
                }
            }
        }
    }

    /// The entry of a mapping.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    fn children(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match &self.content {
            Content::Scalar(..) => Box::new(std::iter::empty()),
            Content::List(items) => Box::new(items.iter()),
            Content::Map(entries) => Box::new(entries.iter().map(|entry| &entry.value)),
        }
    }
}

impl Entry {
    fn moved_to(&self, span: &Span) -> Self {
        Self { key: self.key.clone(), key_span: span.clone(), value: self.value.moved_to(span) }
    }
}

impl Places {
    pub fn of(root: &Node) -> Self {
        let mut places = Self::default();
        places.add(root, "");
        places
    }

    /// Where the value at `path` was written, or else the nearest thing around it that was.
    pub fn value(&self, path: &str) -> Option<Span> {
        self.nearest(path).map(|place| place.value.clone())
    }

    /// Where the key at `path` was written, or else the nearest one around it that was.
    pub fn key(&self, path: &str) -> Option<Span> {
        self.nearest(path).map(|place| place.key.clone())
    }

    /// Whether the value at exactly `path` was filled in from the environment.
    pub fn is_filled(&self, path: &str) -> bool {
        self.as_written(path).is_some()
    }

    /// The value at exactly `path` as it was written, if something of it was filled in from the environment.
    pub fn as_written(&self, path: &str) -> Option<&str> {
        self.0.get(path)?.filled.as_deref()
    }

    /// Whether something was written at exactly `path`.
    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// How many items the list at `path` has.
    pub fn items(&self, path: &str) -> usize {
        (0..self.0.len()).take_while(|i| self.has(&format!("{path}.{i}"))).count()
    }

    fn nearest(&self, path: &str) -> Option<&Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.0.get(path) {
                return Some(place);
            }
            path = &path[..path.rfind('.')?];
        }
    }

    fn add(&mut self, node: &Node, path: &str) {
        let below = |step: &str| if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") };
        match &node.content {
            Content::Scalar(..) => {}
            Content::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    let path = below(&i.to_string());
                    self.add(item, &path);
                    self.0.insert(
                        path,
                        Place { key: item.span.clone(), value: item.span.clone(), filled: item.filled.clone() },
                    );
                }
            }
            Content::Map(entries) => {
                for Entry { key, key_span, value } in entries {
                    let path = below(key);
                    self.add(value, &path);
                    self.0.insert(
                        path,
                        Place { key: key_span.clone(), value: value.span.clone(), filled: value.filled.clone() },
                    );
                }
            }
        }
    }
}

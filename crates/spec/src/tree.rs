//! A parsed YAML document with locations, before it is interpreted.

use std::collections::BTreeMap;

use super::source::Span;

/// A value with its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// From the first to the last character of the value. For a missing value (`key:`), the character before it.
    pub span: Span,
    pub content: Content,
    /// The original text, if variables were substituted.
    pub filled: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The text, with quotes, folding and escapes resolved.
    Scalar(Scalar, String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// The YAML type of a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    Null,
    Bool,
    Number,
    Text,
}

/// A key of a mapping, with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Node,
}

/// The locations of all values, by path: `buildkit.image`, `dependencies.0`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places(BTreeMap<String, Place>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    key: Span,
    value: Span,
    filled: Option<String>,
}

impl Node {
    /// The number of levels; a scalar has one.
    pub fn height(&self) -> usize {
        1 + self.children().map(Self::height).max().unwrap_or(0)
    }

    /// The number of nodes, including itself.
    pub fn size(&self) -> usize {
        1 + self.children().map(Self::size).sum::<usize>()
    }

    /// A copy with all locations set to `span`.
    #[must_use]
    pub fn moved_to(&self, span: &Span) -> Self {
        let content = match &self.content {
            Content::Scalar(kind, text) => Content::Scalar(*kind, text.clone()),
            Content::List(items) => Content::List(items.iter().map(|item| item.moved_to(span)).collect()),
            Content::Map(entries) => Content::Map(entries.iter().map(|entry| entry.moved_to(span)).collect()),
        };
        Self { span: span.clone(), content, filled: self.filled.clone() }
    }

    /// Moves all locations by an offset.
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

    /// Adds an entry with a text to a mapping that has none of this key. Its location is the start of the mapping.
    pub fn add_default(&mut self, key: &str, text: &str) {
        let span = self.span.start..self.span.start;
        let is_set = self.entry(key).is_some();
        if let Content::Map(entries) = &mut self.content
            && !is_set
        {
            let content = Content::Scalar(Scalar::Text, text.to_owned());
            let value = Self { span: span.clone(), content, filled: None };
            entries.push(Entry { key: key.to_owned(), key_span: span, value });
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

    /// The location of the value at `path`, or else of the nearest enclosing value.
    pub fn value(&self, path: &str) -> Option<Span> {
        self.nearest(path).map(|place| place.value.clone())
    }

    /// The location of the key at `path`, or else of the nearest enclosing key.
    pub fn key(&self, path: &str) -> Option<Span> {
        self.nearest(path).map(|place| place.key.clone())
    }

    /// Whether variables were substituted in the value at exactly `path`.
    pub fn is_filled(&self, path: &str) -> bool {
        self.as_written(path).is_some()
    }

    /// The original text of the value at exactly `path`, if variables were substituted.
    pub fn as_written(&self, path: &str) -> Option<&str> {
        self.0.get(path)?.filled.as_deref()
    }

    /// Whether the file has a value at exactly `path`.
    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// The number of items of the list at `path`.
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

//! A file format as data: which values are allowed where.
//!
//! Diagnostics, suggestions and the reference page are generated from shapes. serde reads the values into types.

use super::tree::{Content, Node, Scalar};

/// The allowed values at a place.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A non-empty string. Numbers, booleans and null need quotes.
    Text(Rule),
    /// Like [`Shape::Text`], but may be empty.
    Line(Rule),
    /// Any single value, taken literally.
    Scalar(Rule),
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    List {
        item: &'static Shape,
        /// The hint for an empty list; `None`: the list may be empty.
        if_empty: Option<&'static str>,
        /// Whether duplicate items are rejected.
        unique: bool,
    },
    /// Arbitrary names, with values of one shape.
    Map { name: Rule, value: &'static Shape },
    /// These keys and no others.
    Keys(&'static [Key]),
    /// The first of these that fits the type of the value.
    Either(&'static [Shape]),
}

/// A key that a mapping may have.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub shape: Shape,
    /// What a change of it does to an existing sandbox.
    pub effect: Effect,
    /// The hint if it is missing; `None`: optional.
    pub required: Option<&'static str>,
    /// What its absence means.
    pub default: &'static str,
    /// A description in one line.
    pub summary: &'static str,
    /// A value, as written after the colon.
    pub example: &'static str,
    /// Other names of the same key.
    pub alias: &'static [&'static str],
    /// Names that other tools use for it; the suggestion is this key.
    pub also: &'static [&'static str],
}

/// What a change of a key does to an existing sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing until the key is used.
    Nothing,
    /// It identifies another sandbox.
    Another,
    /// The running main container is updated.
    InPlace,
    /// Like [`Effect::InPlace`], but to remove a limit the container must be replaced.
    Limit,
    /// The main container is replaced.
    Replace,
    /// The network and all containers are replaced.
    Network,
    /// The running gateway is updated.
    Gateway,
    /// The sidecar is replaced.
    Sidecar,
    /// The main container and the sidecar are replaced.
    Docker,
    /// The running sidecar is updated if a limit changes, and replaced if a limit is added or removed.
    SidecarLimit,
}

/// Checks whether a text is a valid value.
pub type Rule = fn(&str) -> Result<(), Fault>;

/// Why a text is not a valid value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub message: String,
    pub hint: String,
}

impl Key {
    pub const fn new(name: &'static str, shape: Shape, effect: Effect) -> Self {
        let (required, default) = (None, "none");
        Self { name, shape, effect, required, default, summary: "", example: "", alias: &[], also: &[] }
    }

    /// Makes the key required; `line` is the hint if it is missing.
    #[must_use]
    pub const fn required(self, line: &'static str) -> Self {
        Self { required: Some(line), default: "required", ..self }
    }

    #[must_use]
    pub const fn default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    #[must_use]
    pub const fn summary(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    #[must_use]
    pub const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    #[must_use]
    pub const fn alias(self, alias: &'static [&'static str]) -> Self {
        Self { alias, ..self }
    }

    #[must_use]
    pub const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }

    /// Whether `name` is its name or an alias.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.alias.contains(&name)
    }
}

impl Effect {
    /// A phrase that answers "what does changing it do?".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Another => "another sandbox",
            Self::InPlace | Self::Gateway => "in place",
            Self::Limit => "in place; replaces when removed",
            Self::Replace => "replaces",
            Self::Network => "replaces the network and all containers",
            Self::Sidecar => "replaces the sidecar",
            Self::Docker => "replaces, also the sidecar",
            Self::SidecarLimit => "sidecar in place; replaces it when added or removed",
        }
    }
}

impl Fault {
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl Shape {
    /// Whether the value has the right type.
    pub fn fits(&self, node: &Node) -> bool {
        match (self, &node.content) {
            (Self::Text(_) | Self::Line(_) | Self::Choice(_), Content::Scalar(kind, _)) => *kind == Scalar::Text,
            (Self::Scalar(_), Content::Scalar(kind, _)) => *kind != Scalar::Null,
            (Self::Bool, Content::Scalar(_, text)) => matches!(text.as_str(), "true" | "false"),
            (Self::List { .. }, Content::List(_)) | (Self::Map { .. } | Self::Keys(_), Content::Map(_)) => true,
            (Self::Either(shapes), _) => shapes.iter().any(|shape| shape.fits(node)),
            _ => false,
        }
    }

    /// The expected type, as a phrase that follows "must be".
    pub fn expected(&self) -> String {
        match self {
            Self::Text(_) | Self::Line(_) => "a string".into(),
            Self::Scalar(_) => "a single value".into(),
            Self::Bool => "`true` or `false`".into(),
            Self::Choice(words) => either(words.iter().map(|word| format!("`{word}`"))),
            Self::List { .. } => "a list".into(),
            Self::Map { .. } | Self::Keys(_) => "a mapping".into(),
            Self::Either(shapes) => either(shapes.iter().map(Self::expected)),
        }
    }

    /// Removes the keys that are not in the shape.
    pub fn prune(&self, node: &mut Node) {
        if let (Self::Keys(keys), Content::Map(entries)) = (self, &mut node.content) {
            entries.retain(|entry| keys.iter().any(|key| key.is(&entry.key)));
            for entry in entries {
                if let Some(key) = keys.iter().find(|key| key.is(&entry.key)) {
                    key.shape.prune(&mut entry.value);
                }
            }
        }
    }

    /// Replaces aliases with the names of their keys, in a tree that matches the shape.
    pub fn rename_aliases(&self, node: &mut Node) {
        match (self, &mut node.content) {
            (Self::Keys(keys), Content::Map(entries)) => {
                for entry in entries {
                    if let Some(key) = keys.iter().find(|key| key.is(&entry.key)) {
                        key.name.clone_into(&mut entry.key);
                        key.shape.rename_aliases(&mut entry.value);
                    }
                }
            }
            (Self::List { item, .. }, Content::List(items)) => {
                for node in items {
                    item.rename_aliases(node);
                }
            }
            (Self::Map { value, .. }, Content::Map(entries)) => {
                for entry in entries {
                    value.rename_aliases(&mut entry.value);
                }
            }
            (Self::Either(shapes), _) => {
                if let Some(shape) = shapes.iter().find(|shape| shape.fits(node)) {
                    shape.rename_aliases(node);
                }
            }
            _ => {}
        }
    }

    /// The paths of the mappings that have a key `name`: where a misplaced key belongs.
    pub fn parents_of(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.visit("", &mut |path, key| {
            if key.is(name) {
                found.push(path.to_owned());
            }
        });
        found
    }

    /// Calls `see` with each key and the path of its mapping, in the order of the language.
    pub fn visit<'s>(&'s self, path: &str, see: &mut impl FnMut(&str, &'s Key)) {
        match self {
            Self::Keys(keys) => {
                for key in *keys {
                    see(path, key);
                    let below = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
                    visit_dyn(&key.shape, &below, see);
                }
            }
            Self::List { item, .. } => visit_dyn(item, path, see),
            Self::Map { value, .. } => visit_dyn(value, path, see),
            Self::Either(shapes) => shapes.iter().for_each(|shape| visit_dyn(shape, path, see)),
            Self::Text(_) | Self::Line(_) | Self::Scalar(_) | Self::Bool | Self::Choice(_) => {}
        }
    }
}

fn visit_dyn<'s>(shape: &'s Shape, path: &str, see: &mut impl FnMut(&str, &'s Key)) {
    shape.visit(path, see);
}

/// `a`, `a or b`, `a, b or c`.
fn either(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<_> = words.collect();
    let Some(last) = words.pop() else { return String::new() };
    if words.is_empty() { last } else { format!("{} or {last}", words.join(", ")) }
}

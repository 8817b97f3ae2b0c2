//! What may be written where: a file format as data.
//!
//! A shape is what diagnostics, suggestions and the reference page are made from. How the values are read into
//! types is not its business: serde does that.

use super::tree::{Content, Node, Scalar};

/// What may be written at a place.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Text that is not empty. Numbers and the like only in quotes.
    Text(Rule),
    /// Any single value, taken exactly as it is written.
    Scalar(Rule),
    /// One of these words.
    Choice(&'static [&'static str]),
    List {
        item: &'static Shape,
        /// What to write instead of an empty list; `None`: it may be empty.
        if_empty: Option<&'static str>,
        /// Whether the same item may come twice.
        unique: bool,
    },
    /// Names of the user's choice, with values of one shape.
    Map { name: Rule, value: &'static Shape },
    /// These keys and no others.
    Keys(&'static [Key]),
    /// The first of these that fits the sort of value that was written.
    Either(&'static [Shape]),
}

/// A key that a mapping may have.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub shape: Shape,
    /// What to write when it is missing; `None`: it may be left out.
    pub required: Option<&'static str>,
    /// What it means when it is left out.
    pub default: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// What people write for it who come from elsewhere.
    pub also: &'static [&'static str],
}

/// Whether a text can be a value.
pub type Rule = fn(&str) -> Result<(), Fault>;

/// Why a text cannot be a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub message: String,
    pub hint: String,
}

impl Fault {
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl Shape {
    /// Whether the value is of the right sort, whatever it says.
    pub fn fits(&self, node: &Node) -> bool {
        match (self, &node.content) {
            (Self::Text(_) | Self::Choice(_), Content::Scalar(kind, _)) => *kind == Scalar::Text,
            (Self::Scalar(_), Content::Scalar(kind, _)) => *kind != Scalar::Null,
            (Self::List { .. }, Content::List(_)) | (Self::Map { .. } | Self::Keys(_), Content::Map(_)) => true,
            (Self::Either(shapes), _) => shapes.iter().any(|shape| shape.fits(node)),
            _ => false,
        }
    }

    /// What is expected, in words that follow "must be".
    pub fn expected(&self) -> String {
        match self {
            Self::Text(_) => "text".into(),
            Self::Scalar(_) => "a single value".into(),
            Self::Choice(words) => either(words.iter().map(|word| format!("`{word}`"))),
            Self::List { .. } => "a list".into(),
            Self::Map { .. } | Self::Keys(_) => "a mapping".into(),
            Self::Either(shapes) => either(shapes.iter().map(Self::expected)),
        }
    }

    /// The paths below this shape that end in `name`: where a key belongs that stands elsewhere.
    pub fn parents_of(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.visit("", &mut |path, key| {
            if key.name == name {
                found.push(path.to_owned());
            }
        });
        found
    }

    /// Shows each key, with the path of the mapping that it is in; in the order of the language.
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
            Self::Text(_) | Self::Scalar(_) | Self::Choice(_) => {}
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

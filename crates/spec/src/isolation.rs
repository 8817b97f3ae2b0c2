//! How far root in a sandbox is from root on the host, and the variants of a capability for it.
//!
//! A variant is a change to the text of a capability, applied before it is read: capabilities keep one format, and nothing
//! here knows one by name.

use std::fmt;

use serde::Deserialize;
use serde_yaml::Value;

/// The isolation of a sandbox; a later one is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// A capability that runs a daemon of its own gets all rights on the host.
    #[default]
    Privileged,
    /// Containers run as root, which is another user on the host: the engine maps users.
    Mapped,
    /// Containers run as a user, without capabilities; a daemon runs in a user namespace of this user.
    Rootless,
}

/// What a spec says that leaves its isolation to the engine.
pub(crate) const AUTO: &str = "auto";

/// All that a spec can say, from the weakest to the strongest. `auto` may be any of those after it.
pub(crate) const NAMES: &[&str] = &["privileged", AUTO, "mapped", "rootless"];

/// The choice of an isolation for an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auto {
    /// Why it is this one; `None`: no engine has been asked yet.
    pub reason: Option<String>,
}

/// The key of the variants in a capability.
const VARIANTS: &str = "variants";

/// Items of lists are the same if they have the same value for one of these keys.
const IDENTITIES: [&str; 2] = ["name", "path"];

impl Isolation {
    /// All values, from the weakest to the strongest.
    pub const ALL: [Self; 3] = [Self::Privileged, Self::Mapped, Self::Rootless];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Mapped => "mapped",
            Self::Rootless => "rootless",
        }
    }

    /// Reads its name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// Whether a capability has a variant for this isolation.
    pub(crate) fn changes(self, capability: &Value) -> bool {
        capability.get(VARIANTS).is_some_and(|variants| variants.get(self.as_str()).is_some())
    }

    /// The capability for this isolation. A capability without such a variant stays as it is.
    pub(crate) fn apply(self, mut capability: Value) -> Value {
        let Some(variants) = capability.as_mapping_mut().and_then(|it| it.remove(VARIANTS)) else { return capability };
        if let Some(variant) = variants.get(self.as_str()) {
            merge(&mut capability, variant);
        }
        capability
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Replaces a value as a whole.
const REPLACE: &str = "!replace";

/// Merges mappings key by key and lists of named items by name; replaces everything else, and what is tagged so.
fn merge(old: &mut Value, new: &Value) {
    match (old, new) {
        (old, Value::Tagged(tagged)) if tagged.tag == REPLACE => old.clone_from(&tagged.value),
        (Value::Mapping(old), Value::Mapping(new)) => {
            for (key, value) in new {
                match old.get_mut(key) {
                    Some(known) => merge(known, value),
                    None => drop(old.insert(key.clone(), value.clone())),
                }
            }
        }
        (Value::Sequence(old), Value::Sequence(new)) if new.iter().any(|item| identity(item).is_some()) => {
            for item in new {
                match old.iter_mut().find(|known| identity(known) == identity(item)) {
                    Some(known) => merge(known, item),
                    None => old.push(item.clone()),
                }
            }
        }
        (old, new) => old.clone_from(new),
    }
}

fn identity(item: &Value) -> Option<&Value> {
    IDENTITIES.iter().find_map(|key| item.get(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).expect("YAML")
    }

    #[test]
    fn a_variant_changes_only_what_it_names() {
        let whole = "a: {b: 1, c: [x, y]}\nvolumes: [{name: x}]\nfiles: [{path: /a, content: 1}, {path: /b, content: 2}]\n\
                     variants: {rootless: {a: {c: [z], d: 3}, files: [{path: /b, content: 9}, {path: /c, content: 4}],\n  volumes: !replace [{name: y}]}}\n";
        let changed = "a: {b: 1, c: [z], d: 3}\nvolumes: [{name: y}]\n\
                       files: [{path: /a, content: 1}, {path: /b, content: 9}, {path: /c, content: 4}]\n";
        assert_eq!(Isolation::Rootless.apply(yaml(whole)), yaml(changed));
        let (plain, _) = whole.split_once("variants").expect("variants");
        assert_eq!(Isolation::Privileged.apply(yaml(whole)), yaml(plain));
    }

    #[test]
    fn a_stronger_isolation_is_greater() {
        assert!(Isolation::ALL.is_sorted());
        let place = |it: Isolation| NAMES.iter().position(|name| *name == it.as_str());
        assert!(Isolation::ALL.map(place).is_sorted_by(|a, b| a.is_some() && a < b));
        assert_eq!(Isolation::ALL.map(|it| Isolation::parse(it.as_str())), Isolation::ALL.map(Some));
    }
}

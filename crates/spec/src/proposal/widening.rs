//! In what a proposal goes beyond what was approved.

use std::collections::BTreeSet;
use std::fmt;

use super::Proposal;
use super::lines::{DEFAULT, READ_ONLY};
use super::rule::{self, Rule};

/// A line that is not as it was approved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub key: String,
    /// `None`: it was not there.
    pub old: Option<String>,
    /// `None`: it is gone.
    pub new: Option<String>,
}

/// What has to be approved before `proposed` takes effect in place of `approved`; sorted by key. None: it only narrows,
/// or changes what is harmless.
pub fn widening(approved: &Proposal, proposed: &Proposal) -> Vec<Change> {
    let keys: BTreeSet<&String> = approved.lines.keys().chain(proposed.lines.keys()).collect();
    let change = |key: &String| {
        let (old, new) = (approved.lines.get(key), proposed.lines.get(key));
        let harmless = old == new
            || is_harmless(rule::of(key), old.map(String::as_str), new.map(String::as_str))
            || is_of_no_service(key, proposed);
        let new = proposed.shown.get(key).or(new);
        (!harmless).then(|| Change { key: key.clone(), old: old.cloned(), new: new.cloned() })
    };
    keys.into_iter().filter_map(change).collect()
}

/// A service that goes takes all of its lines with it.
fn is_of_no_service(key: &str, proposed: &Proposal) -> bool {
    let name = key.strip_prefix("service ").and_then(|rest| rest.split(' ').next());
    name.is_some_and(|name| !proposed.lines.contains_key(&format!("service {name} image")))
}

fn is_harmless(rule: Rule, old: Option<&str>, new: Option<&str>) -> bool {
    match rule {
        Rule::Any => true,
        Rule::Nothing => false,
        Rule::Removal => new.is_none(),
        Rule::Coming => old.is_none(),
        Rule::Access => match (old, new) {
            (_, None) => true,
            (Some(old), Some(new)) => {
                let source = |text: &str| text.rsplit_once(" (").map(|(source, _)| source.to_owned());
                new.ends_with(READ_ONLY) && source(old) == source(new)
            }
            (None, Some(_)) => false,
        },
        Rule::Lower => {
            let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
            match (number(old), number(new)) {
                (Some(old), Some(new)) => new <= old,
                // What moat sets by default is no promise, and a number is less than none.
                (None, Some(_)) => old.is_none_or(|old| old == DEFAULT),
                (None, None) => old.is_none() && new == Some(DEFAULT),
                (Some(_), None) => false,
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `yes` only says that a line is there.
        let value = |text: &String| if text == "yes" { String::new() } else { format!(": {text}") };
        let key = &self.key;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "{key}: {old} -> {new}"),
            (None, Some(new)) => write!(f, "{key}{}", value(new)),
            (Some(old), None) => write!(f, "{key} removed{}", value(old)),
            (None, None) => f.write_str(key),
        }
    }
}

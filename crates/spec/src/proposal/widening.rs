//! The changes by which a proposal exceeds what was approved.

use std::collections::BTreeSet;

use super::change::Change;
use super::lines::{DEFAULT, READ_ONLY};
use super::reach;
use super::rule::{self, Rule};
use super::{FORMAT, Proposal};
use crate::Isolation;
use crate::isolation::NAMES;

/// The usual names of runtimes with a kernel or a user namespace of their own. An administrator chooses the names.
const SANDBOXES: [&str; 3] = ["runsc", "kata", "sysbox"];

/// The changes that need approval before `proposed` replaces `approved`, sorted by key. Empty: all changes are
/// restrictions or harmless.
pub fn widening(approved: &Proposal, proposed: &Proposal) -> Vec<Change> {
    let keys: BTreeSet<&String> = approved.lines.keys().chain(proposed.lines.keys()).collect();
    let change = |key: &String| {
        let (old, new) = (approved.lines.get(key), proposed.lines.get(key));
        let harmless = old == new
            || is_harmless(rule::of(key), old.map(String::as_str), new.map(String::as_str))
            || is_of_removed_service(key, proposed);
        let new = proposed.shown.get(key).or(new);
        (!harmless).then(|| Change { key: key.clone(), old: old.cloned(), new: new.cloned() })
    };
    let reach = reach::changes(&approved.lines, &proposed.lines);
    // The format is no request: texts of other formats are never compared.
    let is_line = |key: &&String| *key != FORMAT.0 && (reach.is_none() || !reach::is_about_reach(key));
    let mut changes: Vec<Change> = keys.into_iter().filter(is_line).filter_map(change).collect();
    changes.extend(reach.into_iter().flatten());
    changes.sort();
    changes
}

/// Whether a line belongs to a service that is removed.
fn is_of_removed_service(key: &str, proposed: &Proposal) -> bool {
    let name = key.strip_prefix("service ").and_then(|rest| rest.split(' ').next());
    name.is_some_and(|name| !proposed.lines.contains_key(&format!("service {name} image")))
}

fn is_harmless(rule: Rule, old: Option<&str>, new: Option<&str>) -> bool {
    match rule {
        Rule::Any => true,
        Rule::Nothing => false,
        Rule::Removal => new.is_none(),
        Rule::Addition => old.is_none(),
        Rule::Sandbox => old.is_none() && new.is_some_and(|new| SANDBOXES.iter().any(|name| new.starts_with(name))),
        Rule::Stronger => {
            let default = Isolation::default().as_str();
            let of = |text: Option<&str>| NAMES.iter().position(|name| *name == text.unwrap_or(default));
            of(old).zip(of(new)).is_some_and(|(old, new)| new >= old)
        }
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
                // moat's defaults are not guaranteed, and any number is below no limit.
                (None, Some(_)) => old.is_none_or(|old| old == DEFAULT),
                (None, None) => old.is_none() && new == Some(DEFAULT),
                (Some(_), None) => false,
            }
        }
    }
}

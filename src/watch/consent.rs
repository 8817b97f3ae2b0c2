//! What a person has to approve before it is done: whatever gives a sandbox more than it had.
//!
//! Measured against what was wanted before, or, when a watch has only begun, against what was last applied, as the
//! containers themselves remember it. Where there is nothing yet, whoever begins the watch has asked for it.

use serde_json::Value;

use crate::graph::Graph;
use crate::resource::{Config, ResourceId};
use crate::state::Observed;

/// What `after` gives that `before` did not, one line each.
pub(super) fn more(before: &Graph, after: &Graph) -> Vec<String> {
    compared(after, |id| before.node(id).map(|node| node.config.canonical()))
}

/// What `graph` gives that the containers on the engine were not given.
pub fn more_than_applied(observed: &Observed, graph: &Graph) -> Vec<String> {
    let applied = |id: &ResourceId| {
        let newest = observed.containers_of(id).last()?;
        newest.owner.as_ref().map(|owner| owner.config.clone())
    };
    // A run of which nothing is there is made as it is written: whoever began the watch has read it.
    if observed.containers.is_empty() { Vec::new() } else { compared(graph, applied) }
}

fn compared(after: &Graph, before: impl Fn(&ResourceId) -> Option<String>) -> Vec<String> {
    let mut more = Vec::new();
    for node in after.nodes() {
        let Config::Container(config) = &node.config else { continue };
        let before: Value = before(&node.id).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
        if config.privileged && before.get("privileged").and_then(Value::as_bool) != Some(true) {
            more.push(format!("{}: privileged, which gives it the machine", node.id));
        }
        let image = before.get("image").and_then(Value::as_str);
        if image != Some(config.image.as_str()) && image.is_some() {
            more.push(format!("{}: image `{}` -> `{}`", node.id, image.unwrap_or_default(), config.image));
        }
    }
    more
}

//! What can be changed while a container is there: its limits and its restart policy.
//!
//! A label cannot be changed. So for these the engine's word counts, not what the container was created with.

use serde_json::{Value, json};

use super::{FieldDiff, diff};
use crate::engine::ContainerUpdate;
use crate::graph::Node;
use crate::resource::{ContainerConfig, Limits};
use crate::state::{ContainerFacts, Observed};

/// How a container compares with what is wanted.
#[derive(Debug)]
pub(super) enum Fit {
    AsWanted,
    /// It is, once it has been updated.
    Update(ContainerUpdate, Vec<FieldDiff>),
    /// It has to be made anew.
    Otherwise,
}

pub(super) fn fit(observed: &Observed, facts: &ContainerFacts, node: &Node, config: &ContainerConfig) -> Fit {
    let Some(owner) = &facts.owner else { return Fit::Otherwise };
    let created_so = owner.hash == node.config.hash() || node.config.is_but_for_extras(&owner.config);
    if !owner.fits(&node.config) {
        return Fit::Otherwise;
    }
    let diffs = if created_so { Vec::new() } else { diff::between(&owner.config, &node.config.canonical()) };
    let Some(live) = observed.live.get(&facts.id) else {
        return if created_so { Fit::AsWanted } else { Fit::Otherwise };
    };
    let changed = |field: &str| diffs.iter().any(|diff| diff.field == field);
    let mut found = Found::default();
    let (now, wanted) = (&live.limits, &config.limits);
    let limits = Limits {
        memory: found.limit("limits.memory", now.memory, wanted.memory, changed("limits.memory")),
        cpus: found.limit("limits.cpus", now.cpus, wanted.cpus, changed("limits.cpus")),
        pids: found.limit("limits.pids", now.pids, wanted.pids, changed("limits.pids")),
    };
    let restart = (live.restart != Some(config.restart)).then_some(config.restart);
    if restart.is_some() {
        found.tell("restart", live.restart.map(|policy| json!(policy)), Some(json!(config.restart)));
    }
    match found {
        Found { removed: true, .. } => Fit::Otherwise,
        Found { diffs, .. } if diffs.is_empty() => Fit::AsWanted,
        Found { diffs, .. } => Fit::Update(ContainerUpdate { limits, restart }, diffs),
    }
}

#[derive(Default)]
struct Found {
    diffs: Vec<FieldDiff>,
    /// A limit has to go, which no engine does to a container that is there.
    removed: bool,
}

impl Found {
    /// The limit to be set, if another one is. `changed`: the container was created with another one.
    fn limit<T: PartialEq + Copy + serde::Serialize>(
        &mut self,
        field: &str,
        now: Option<T>,
        wanted: Option<T>,
        changed: bool,
    ) -> Option<T> {
        // An engine whose kernel has no such limit forgets it. To set it again and again would help nobody.
        let forgotten = now.is_none() && !changed;
        if now == wanted || forgotten {
            return None;
        }
        self.removed |= wanted.is_none();
        self.tell(field, now.map(|now| json!(now)), wanted.map(|wanted| json!(wanted)));
        wanted
    }

    fn tell(&mut self, field: &str, old: Option<Value>, new: Option<Value>) {
        self.diffs.push(FieldDiff { field: field.to_owned(), old, new });
    }
}

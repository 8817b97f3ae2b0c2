//! What can be changed while a container is there: its limits and its restart policy.
//!
//! A label cannot be changed. So for these the engine's word counts, not what the container was created with. A limit
//! that the spec leaves open is a difference only where somebody has set it since: not the default that the
//! container was created with, whatever moat's is now.

use serde_json::{Value, json};

use super::{FieldDiff, Options, diff};
use moat_model::engine::ContainerUpdate;
use moat_model::graph::{Graph, Node};
use moat_model::resource::{Config, ContainerConfig, Limit, Limits, Role};
use moat_model::state::{ContainerFacts, Observed};

/// How a container compares with what is wanted.
#[derive(Debug)]
pub(super) enum Fit {
    AsWanted,
    /// It is, once it has been updated.
    Update(ContainerUpdate, Vec<FieldDiff>),
    /// It has to be made anew; because of these, where its labels do not tell.
    Otherwise(Vec<FieldDiff>),
}

pub(super) fn fit(
    observed: &Observed,
    facts: &ContainerFacts,
    node: &Node,
    config: &ContainerConfig,
    options: &Options,
) -> Fit {
    let Some(owner) = &facts.owner else { return Fit::Otherwise(Vec::new()) };
    let created_so = owner.hash == node.config.hash() || node.config.is_but_for_extras(&owner.config);
    if !owner.fits(&node.config) {
        return Fit::Otherwise(Vec::new());
    }
    let diffs = if created_so { Vec::new() } else { diff::between(&owner.config, &node.config.canonical()) };
    // A sidecar that has no limits may have been looked at because it is young, and would be updated by luck.
    let counts = node.role == Role::Main || owner.config.contains("\"limits\":{");
    let Some(live) = observed.live.get(&facts.id).filter(|_| counts) else {
        return if created_so { Fit::AsWanted } else { Fit::Otherwise(Vec::new()) };
    };
    let (now, wanted, given) = (&live.limits, &config.limits, &owner.defaults);
    let in_vain = |limit: Option<Limit>| limit.is_some_and(|it| given.lacks(it)) || options.updated.contains(&facts.id);
    let changed = |field: &str| diffs.iter().any(|diff| diff.field == field);
    let mut found = Found::default();
    let limits = Limits {
        memory: found.limit(
            Field { name: MEMORY, given: given.memory, changed: changed(MEMORY) && !in_vain(Some(Limit::Memory)) },
            now.memory,
            wanted.memory,
        ),
        cpus: found.limit(
            Field { name: CPUS, given: None, changed: changed(CPUS) && !in_vain(None) },
            now.cpus,
            wanted.cpus,
        ),
        pids: found.limit(
            Field { name: PIDS, given: given.pids, changed: changed(PIDS) && !in_vain(Some(Limit::Pids)) },
            now.pids,
            wanted.pids,
        ),
    };
    let restart = (live.restart != Some(config.restart)).then_some(config.restart);
    if restart.is_some() {
        found.tell(RESTART, live.restart.map(|policy| json!(policy)), Some(json!(config.restart)));
    }
    match found {
        Found { removed: true, diffs } => Fit::Otherwise(diffs),
        Found { diffs, .. } if diffs.is_empty() => Fit::AsWanted,
        Found { diffs, .. } => Fit::Update(ContainerUpdate { limits, restart }, diffs),
    }
}

/// Without the differences that an update has mended since: what a container was created with is not what it has.
pub(super) fn unmended(
    observed: &Observed,
    facts: &ContainerFacts,
    config: &ContainerConfig,
    mut diffs: Vec<FieldDiff>,
) -> Vec<FieldDiff> {
    let Some(live) = observed.live.get(&facts.id) else { return diffs };
    let (now, wanted) = (&live.limits, &config.limits);
    diffs.retain(|diff| match diff.field.as_str() {
        MEMORY => now.memory != wanted.memory,
        CPUS => now.cpus != wanted.cpus,
        PIDS => now.pids != wanted.pids,
        RESTART => live.restart != Some(config.restart),
        _ => true,
    });
    diffs
}

/// The limits that are written and that containers do not have although they were updated: the engine drops them. By
/// the container's name, each with the fields of its spec.
pub fn dropped(graph: &Graph, observed: &Observed, options: &Options) -> Vec<(String, Vec<&'static str>)> {
    let updated = observed.containers.iter().filter(|facts| options.updated.contains(&facts.id));
    let fields = |facts: &ContainerFacts| {
        let node = graph.node(&facts.owner.as_ref()?.resource)?;
        let Config::Container(config) = &node.config else { return None };
        let (now, wanted) = (&observed.live.get(&facts.id)?.limits, &config.limits);
        let all = [
            ("memory", wanted.memory.is_some() && now.memory.is_none()),
            ("cpus", wanted.cpus.is_some() && now.cpus.is_none()),
            ("pids", wanted.pids.is_some() && now.pids.is_none()),
        ];
        let fields: Vec<_> = all.into_iter().filter(|(_, dropped)| *dropped).map(|(field, _)| field).collect();
        (!fields.is_empty()).then(|| (facts.name.clone(), fields))
    };
    updated.filter_map(fields).collect()
}

const MEMORY: &str = "limits.memory";
const CPUS: &str = "limits.cpus";
const PIDS: &str = "limits.pids";
const RESTART: &str = "restart";

/// A limit of a container, and what is known of it.
#[derive(Clone, Copy)]
struct Field<T> {
    name: &'static str,
    /// What the container got by default.
    given: Option<T>,
    /// The container was created with another one, and the engine has such limits.
    changed: bool,
}

#[derive(Default)]
struct Found {
    diffs: Vec<FieldDiff>,
    /// A limit has to go, which no engine does to a container that is there.
    removed: bool,
}

impl Found {
    /// The limit to be set, if another one is.
    fn limit<T: PartialEq + Copy + serde::Serialize>(
        &mut self,
        field: Field<T>,
        now: Option<T>,
        wanted: Option<T>,
    ) -> Option<T> {
        let Field { name, given, changed } = field;
        let by_default = now.is_some() && now == given;
        // An engine whose kernel has no such limit forgets it. To set it again and again would help nobody.
        let forgotten = now.is_none() && !changed;
        if now == wanted || forgotten || (by_default && wanted.is_none()) {
            return None;
        }
        self.removed |= wanted.is_none();
        let now = now.filter(|_| !by_default);
        self.tell(name, now.map(|now| json!(now)), wanted.map(|wanted| json!(wanted)));
        wanted
    }

    fn tell(&mut self, field: &str, old: Option<Value>, new: Option<Value>) {
        self.diffs.push(FieldDiff { field: field.to_owned(), old, new });
    }
}

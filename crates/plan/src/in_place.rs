//! Changes in place: the limits and the restart policy of an existing container.
//!
//! A label cannot be changed. So for these the engine's values count, not those at creation. A limit
//! that the spec omits is a difference only if it was set since the creation: not the default that the
//! container was created with, whatever moat's is now.

use serde_json::{Value, json};

use super::{FieldDiff, Options, diff};
use moat_model::engine::ContainerUpdate;
use moat_model::graph::{Graph, Node};
use moat_model::resource::label::Ownership;
use moat_model::resource::{Config, ContainerConfig, Limit, Limits, Role};
use moat_model::state::{ContainerFacts, Observed};

/// The comparison of a container with its desired configuration.
#[derive(Debug)]
pub(super) enum Comparison {
    InSync,
    /// The container is in sync after an update.
    Update(ContainerUpdate, Vec<FieldDiff>),
    /// The container has to be recreated; the differences that its labels do not show.
    Recreate(Vec<FieldDiff>),
}

pub(super) fn fit(
    observed: &Observed,
    facts: &ContainerFacts,
    node: &Node,
    config: &ContainerConfig,
    options: &Options,
) -> Comparison {
    let Some(owner) = &facts.owner else { return Comparison::Recreate(Vec::new()) };
    let created_so = owner.hash == node.config.hash() || node.config.equals_except_extras(&owner.config);
    if !owner.fits(&node.config) {
        return Comparison::Recreate(Vec::new());
    }
    let diffs = if created_so { Vec::new() } else { diff::between(&owner.config, &node.config.canonical()) };
    let Some(live) = observed.live.get(&facts.id).filter(|_| is_compared(node, owner)) else {
        return if created_so { Comparison::InSync } else { Comparison::Recreate(Vec::new()) };
    };
    if live.privileged != config.privileged {
        let (old, new) = (Some(json!(live.privileged)), Some(json!(config.privileged)));
        return Comparison::Recreate(vec![FieldDiff { field: PRIVILEGED.to_owned(), old, new }]);
    }
    let (now, desired, given) = (&live.limits, &config.limits, &owner.defaults);
    let in_vain = |limit: Option<Limit>| limit.is_some_and(|it| given.lacks(it)) || options.updated.contains(&facts.id);
    let changed = |field: &str| diffs.iter().any(|diff| diff.field == field);
    let mut found = Found::default();
    let limits = Limits {
        memory: found.limit(
            Field { name: MEMORY, given: given.memory, changed: changed(MEMORY) && !in_vain(Some(Limit::Memory)) },
            now.memory,
            desired.memory,
        ),
        cpus: found.limit(
            Field { name: CPUS, given: None, changed: changed(CPUS) && !in_vain(None) },
            now.cpus,
            desired.cpus,
        ),
        pids: found.limit(
            Field { name: PIDS, given: given.pids, changed: changed(PIDS) && !in_vain(Some(Limit::Pids)) },
            now.pids,
            desired.pids,
        ),
    };
    if live.restart != Some(config.restart) {
        found.report(RESTART, live.restart.map(|policy| json!(policy)), Some(json!(config.restart)));
    }
    match found {
        Found { removed: true, diffs } => Comparison::Recreate(diffs),
        Found { diffs, .. } if diffs.is_empty() => Comparison::InSync,
        // Always with the policy: Podman resets one that an update does not mention.
        Found { diffs, .. } => Comparison::Update(ContainerUpdate { limits, restart: Some(config.restart) }, diffs),
    }
}

/// Whether the current values of a container count. A sidecar without limits is not inspected for them: it may have been
/// because it is young, and an update would depend on chance.
pub(super) fn is_compared(node: &Node, owner: &Ownership) -> bool {
    node.role == Role::Main || owner.applied.has_limits
}

/// Drops the differences that an update has already resolved since the creation.
pub(super) fn unmended(
    observed: &Observed,
    facts: &ContainerFacts,
    config: &ContainerConfig,
    mut diffs: Vec<FieldDiff>,
) -> Vec<FieldDiff> {
    let Some(live) = observed.live.get(&facts.id) else { return diffs };
    let (now, desired) = (&live.limits, &config.limits);
    diffs.retain(|diff| match diff.field.as_str() {
        MEMORY => now.memory != desired.memory,
        CPUS => now.cpus != desired.cpus,
        PIDS => now.pids != desired.pids,
        RESTART => live.restart != Some(config.restart),
        _ => true,
    });
    diffs
}

/// The limits of the spec that containers lack although they were created or updated by this apply, because the engine
/// drops them. By the container's name, each with the fields of its spec.
pub fn dropped(
    graph: &Graph,
    observed: &Observed,
    is_changed: impl Fn(&ContainerFacts) -> bool,
) -> Vec<(String, Vec<&'static str>)> {
    let changed = observed.containers.iter().filter(|facts| is_changed(facts));
    let fields = |facts: &ContainerFacts| {
        let node = graph.node(&facts.owner.as_ref()?.resource)?;
        let Config::Container(config) = &node.config else { return None };
        let (now, desired) = (&observed.live.get(&facts.id)?.limits, &config.limits);
        let all = [
            ("memory", desired.memory.is_some() && now.memory.is_none()),
            ("cpus", desired.cpus.is_some() && now.cpus.is_none()),
            ("pids", desired.pids.is_some() && now.pids.is_none()),
        ];
        let fields: Vec<_> = all.into_iter().filter(|(_, dropped)| *dropped).map(|(field, _)| field).collect();
        (!fields.is_empty()).then(|| (facts.name.clone(), fields))
    };
    changed.filter_map(fields).collect()
}

const MEMORY: &str = "limits.memory";
const CPUS: &str = "limits.cpus";
const PIDS: &str = "limits.pids";
const RESTART: &str = "restart";
const PRIVILEGED: &str = "privileged";

/// A limit of a container, with its known values.
#[derive(Clone, Copy)]
struct Field<T> {
    name: &'static str,
    /// The default at the creation of the container.
    given: Option<T>,
    /// Whether the container was created with another value, and the engine supports the limit.
    changed: bool,
}

#[derive(Default)]
struct Found {
    diffs: Vec<FieldDiff>,
    /// A limit has to be removed, which no engine can do for an existing container.
    removed: bool,
}

impl Found {
    /// The limit to set, if the current one differs.
    fn limit<T: PartialEq + Copy + serde::Serialize>(
        &mut self,
        field: Field<T>,
        now: Option<T>,
        desired: Option<T>,
    ) -> Option<T> {
        let Field { name, given, changed } = field;
        let by_default = now.is_some() && now == given;
        // An engine drops a limit that its kernel does not support. Setting it again would not help.
        let forgotten = now.is_none() && !changed;
        if now == desired || forgotten || (by_default && desired.is_none()) {
            return None;
        }
        self.removed |= desired.is_none();
        let now = now.filter(|_| !by_default);
        self.report(name, now.map(|now| json!(now)), desired.map(|desired| json!(desired)));
        desired
    }

    fn report(&mut self, field: &str, old: Option<Value>, new: Option<Value>) {
        self.diffs.push(FieldDiff { field: field.to_owned(), old, new });
    }
}

//! Stopped runs, and their start.
//!
//! Whether a run should be stopped is part of the desired state. It is stored on the engine, like all state: as an
//! empty volume with the run's labels. While this mark exists, nothing is created, repaired or started, and running
//! containers are stopped.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::PlanBuilder;
use super::{Action, Cause, OpId, Power, removal};
use moat_model::graph::Milestone;
use moat_model::resource::label;
use moat_model::resource::{Config, ResourceId, Retention, VolumeConfig};
use moat_model::state::ContainerFacts;

/// Whether the run should be stopped. Not if it is to be removed.
pub(super) fn is_down(draft: &PlanBuilder<'_>) -> bool {
    match draft.options.power {
        Power::Stop => true,
        Power::Start => false,
        Power::Unchanged => draft.observed.is_stopped() && draft.graph.nodes().next().is_some(),
    }
}

/// Creates the mark first, so that a concurrent round does not start what was just stopped; then stops the running
/// containers, dependents before their dependencies.
pub(super) fn stop(draft: &mut PlanBuilder<'_>) {
    let mark = (draft.options.power == Power::Stop && !draft.observed.is_stopped()).then(|| create_mark(draft));
    let mut stops: BTreeMap<ResourceId, BTreeSet<OpId>> = BTreeMap::new();
    for facts in in_order(draft) {
        let Some(owner) = &facts.owner else { continue };
        let dependents = stops.iter().filter(|(id, _)| depends(draft, id, &owner.resource));
        let after: BTreeSet<OpId> = dependents.flat_map(|(_, stops)| stops).copied().chain(mark).collect();
        let stop = removal::stop(draft, &owner.resource, facts, &Cause::Stopped, after);
        stops.entry(owner.resource.clone()).or_default().insert(stop);
    }
}

/// Removes the mark. The rest is an apply.
pub(super) fn start(draft: &mut PlanBuilder<'_>) {
    if !reruns_completed(draft) {
        remove_mark(draft, &BTreeSet::new());
    }
}

/// A completed command runs again because of the mark: without it, a later round would not know. So the mark exists
/// until the command runs.
pub(super) fn started(draft: &mut PlanBuilder<'_>) {
    if reruns_completed(draft) {
        let after = draft.reached(&ResourceId::main(), Milestone::Started);
        remove_mark(draft, &after);
    }
}

fn reruns_completed(draft: &PlanBuilder<'_>) -> bool {
    draft.observed.containers_of(&ResourceId::main()).any(ContainerFacts::has_completed)
}

fn remove_mark(draft: &mut PlanBuilder<'_>, after: &BTreeSet<OpId>) {
    let mark = ResourceId::stop_mark();
    if draft.options.power == Power::Start {
        for facts in draft.observed.volumes_of(&mark) {
            draft.add(&mark, &facts.name, Action::RemoveVolume, Cause::Asked, after.clone());
        }
    }
}

fn create_mark(draft: &mut PlanBuilder<'_>) -> OpId {
    let (mark, run) = (ResourceId::stop_mark(), &draft.graph.run);
    let config = Config::Volume(VolumeConfig { retention: Retention::Scratch });
    let (labels, name) = (label::labels(run, &mark, &config), run.name_of(&mark));
    draft.add(&mark, name, Action::CreateVolume { labels }, Cause::Asked, [])
}

/// The running containers, dependents first. Without a spec, main comes first.
fn in_order<'a>(draft: &PlanBuilder<'a>) -> Vec<&'a ContainerFacts> {
    let order: Vec<&ResourceId> = draft.graph.in_order().iter().map(|node| &node.id).rev().collect();
    let rank = |facts: &&ContainerFacts| {
        let resource = facts.owner.as_ref().map(|owner| &owner.resource);
        let place = order.iter().position(|id| Some(*id) == resource);
        (place.unwrap_or(order.len()), resource != Some(&ResourceId::main()))
    };
    let mut up: Vec<_> = draft.observed.containers.iter().filter(|it| removal::is_up(it.state)).collect();
    up.sort_by_key(rank);
    up
}

fn depends(draft: &PlanBuilder<'_>, dependent: &ResourceId, on: &ResourceId) -> bool {
    match draft.graph.node(dependent) {
        Some(_) => draft.graph.dependencies(dependent).iter().any(|it| it.on == on),
        None => *dependent == ResourceId::main(),
    }
}

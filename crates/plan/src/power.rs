//! A run that is stopped, and one that is started again.
//!
//! That a run is to be down is part of the desired state, and kept where all of the state is: on the engine, as an empty
//! volume with the run's labels. While it is there nothing is created, mended or started; what runs is stopped.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::PlanBuilder;
use super::{Action, Cause, OpId, Power, removal};
use moat_model::graph::Milestone;
use moat_model::resource::label;
use moat_model::resource::{Config, ResourceId, Retention, VolumeConfig};
use moat_model::state::ContainerFacts;

/// Whether the run is to be down. One that is wanted gone is not.
pub(super) fn is_down(draft: &PlanBuilder<'_>) -> bool {
    match draft.options.power {
        Power::Stop => true,
        Power::Start => false,
        Power::AsLeft => draft.observed.is_stopped() && draft.graph.nodes().next().is_some(),
    }
}

/// Leaves the mark first, so that whoever looks meanwhile does not start what has just been stopped; then stops what
/// runs, dependents before what they depend on.
pub(super) fn stop(draft: &mut PlanBuilder<'_>) {
    let mark = (draft.options.power == Power::Stop && !draft.observed.is_stopped()).then(|| leave_mark(draft));
    let mut stops: BTreeMap<ResourceId, BTreeSet<OpId>> = BTreeMap::new();
    for facts in in_order(draft) {
        let Some(owner) = &facts.owner else { continue };
        let dependents = stops.iter().filter(|(id, _)| depends(draft, id, &owner.resource));
        let after: BTreeSet<OpId> = dependents.flat_map(|(_, stops)| stops).copied().chain(mark).collect();
        let stop = removal::stop(draft, &owner.resource, facts, &Cause::Stopped, after);
        stops.entry(owner.resource.clone()).or_default().insert(stop);
    }
}

/// Takes the mark away. The rest is an apply.
pub(super) fn start(draft: &mut PlanBuilder<'_>) {
    if !takes_what_has_completed(draft) {
        take_mark_away(draft, &BTreeSet::new());
    }
}

/// What has completed runs again because of the mark: without it nobody could tell that it should. So the mark is there
/// until it runs.
pub(super) fn started(draft: &mut PlanBuilder<'_>) {
    if takes_what_has_completed(draft) {
        let after = draft.reached(&ResourceId::main(), Milestone::Started);
        take_mark_away(draft, &after);
    }
}

fn takes_what_has_completed(draft: &PlanBuilder<'_>) -> bool {
    draft.observed.containers_of(&ResourceId::main()).any(ContainerFacts::has_completed)
}

fn take_mark_away(draft: &mut PlanBuilder<'_>, after: &BTreeSet<OpId>) {
    let mark = ResourceId::stop_mark();
    if draft.options.power == Power::Start {
        for facts in draft.observed.volumes_of(&mark) {
            draft.add(&mark, &facts.name, Action::RemoveVolume, Cause::Asked, after.clone());
        }
    }
}

fn leave_mark(draft: &mut PlanBuilder<'_>) -> OpId {
    let (mark, run) = (ResourceId::stop_mark(), &draft.graph.run);
    let config = Config::Volume(VolumeConfig { retention: Retention::Scratch });
    let (labels, name) = (label::labels(run, &mark, &config), run.name_of(&mark));
    draft.add(&mark, name, Action::CreateVolume { labels }, Cause::Asked, [])
}

/// What runs, dependents first. Where no spec says what depends on what, main comes before all else.
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

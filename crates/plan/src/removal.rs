//! Removal of resources that are not in the graph or were replaced.

use std::collections::BTreeSet;

use super::builder::PlanBuilder;
use super::operation::Grace;
use super::{Action, Cause, OpId, Volumes};
use moat_model::resource::{ResourceId, Retention};
use moat_model::state::{ContainerFacts, ContainerState, NetworkFacts};

/// The stop timeout if no other is known. In seconds; the engine's default.
const GRACE: u32 = 10;

/// Removes the run's resources that are not in the graph: containers, then their networks, then volumes.
pub(super) fn surplus(draft: &mut PlanBuilder<'_>) {
    let (observed, options) = (draft.observed, draft.options);
    let cause = if options.undo { Cause::Undo } else { Cause::Unwanted };
    for facts in &observed.containers {
        let Some(owner) = &facts.owner else { continue };
        if draft.graph.node(&owner.resource).is_none() {
            container(draft, &owner.resource, facts, &cause, []);
        }
    }
    for facts in &observed.networks {
        let Some(owner) = &facts.owner else { continue };
        let kept = matches!(draft.networks.get(&owner.resource), Some(super::Handle::Known(id)) if *id == facts.id);
        if !kept && !draft.removed.contains_key(facts.id.as_str()) {
            let is_desired = draft.graph.node(&owner.resource).is_some();
            let cause = if is_desired { Cause::Superseded } else { cause.clone() };
            network(draft, facts, &cause);
        }
    }
    for facts in &observed.volumes {
        let Some(owner) = &facts.owner else { continue };
        let goes = match &options.volumes {
            Volumes::Keep => false,
            Volumes::Scratch(spec) => {
                spec.get(&owner.resource).copied().unwrap_or(owner.retention) == Retention::Scratch
            }
            Volumes::All => true,
        };
        if goes && draft.graph.node(&owner.resource).is_none() {
            let users = observed.containers.iter().filter(|it| it.volumes.contains(&facts.name));
            let after: BTreeSet<OpId> = users.filter_map(|it| draft.removed.get(it.id.as_str()).copied()).collect();
            draft.add(&owner.resource, &facts.name, Action::RemoveVolume, cause.clone(), after);
        }
    }
}

/// Stops a container, so that it can exit cleanly, and removes it. Returns the removal.
pub(super) fn container(
    draft: &mut PlanBuilder<'_>,
    resource: &ResourceId,
    facts: &ContainerFacts,
    cause: &Cause,
    after: impl IntoIterator<Item = OpId>,
) -> OpId {
    if let Some(removal) = draft.removed.get(facts.id.as_str()) {
        return *removal;
    }
    let mut after: BTreeSet<OpId> = after.into_iter().collect();
    if is_up(facts.state) {
        let stop = draft.stopped.get(facts.id.as_str()).copied();
        let stop = stop.unwrap_or_else(|| self::stop(draft, resource, facts, cause, after.clone()));
        after.insert(stop);
    }
    let action = Action::RemoveContainer { container: facts.id.clone() };
    let removal = draft.add(resource, &facts.name, action, cause.clone(), after);
    draft.removed.insert(facts.id.to_string(), removal);
    removal
}

/// Stops a container. Returns the stop.
pub(super) fn stop(
    draft: &mut PlanBuilder<'_>,
    resource: &ResourceId,
    facts: &ContainerFacts,
    cause: &Cause,
    after: impl IntoIterator<Item = OpId>,
) -> OpId {
    let own = || facts.owner.as_ref().and_then(|owner| owner.applied.stop_timeout).unwrap_or(GRACE);
    let grace = draft.options.grace.map_or_else(|| Grace::Own(own()), Grace::Asked);
    let action = Action::StopContainer { container: facts.id.clone(), grace };
    let stop = draft.add(resource, &facts.name, action, cause.clone(), after);
    draft.stopped.insert(facts.id.to_string(), stop);
    stop
}

/// Removes a network after all of the run's containers on it.
pub(super) fn network(draft: &mut PlanBuilder<'_>, facts: &NetworkFacts, cause: &Cause) -> OpId {
    let resource = facts.owner.as_ref().map(|owner| owner.resource.clone());
    let resource = resource.unwrap_or_else(|| ResourceId::network(&facts.name));
    let mut after = BTreeSet::new();
    for on_it in
        draft.observed.containers.iter().filter(|it| it.networks.iter().any(|end| end.id.as_ref() == Some(&facts.id)))
    {
        let Some(owner) = &on_it.owner else { continue };
        let cause = match draft.graph.node(&owner.resource) {
            Some(_) => Cause::DependencyReplaced(resource.clone()),
            None => cause.clone(),
        };
        after.insert(container(draft, &owner.resource, on_it, &cause, []));
    }
    let action = Action::RemoveNetwork { network: facts.id.clone() };
    let removal = draft.add(&resource, &facts.name, action, cause.clone(), after);
    draft.removed.insert(facts.id.to_string(), removal);
    removal
}

/// Whether a container has processes that a stop would end.
pub(super) fn is_up(state: ContainerState) -> bool {
    use ContainerState::{Paused, Restarting, Running, Unknown};
    matches!(state, Running | Paused | Restarting | Unknown)
}

//! Queries of plans: the object of an action, its effect, and the order of operations.

use std::collections::BTreeSet;

use moat_model::graph::Milestone;
use moat_model::state::ContainerState;
use moat_plan::{Action, Handle, OpId, Operation, Plan};

/// The operations that an operation requires, directly or not.
pub fn closure(plan: &Plan) -> Vec<BTreeSet<OpId>> {
    let mut all: Vec<BTreeSet<OpId>> = Vec::with_capacity(plan.operations.len());
    for operation in &plan.operations {
        let further = operation.after.iter().flat_map(|id| all.get(id.0).into_iter().flatten().copied());
        let before = further.chain(operation.after.iter().copied()).collect();
        all.push(before);
    }
    all
}

pub fn handles(operation: &Operation) -> (Option<OpId>, Option<OpId>) {
    fn from<T>(handle: &Handle<T>) -> Option<OpId> {
        match handle {
            Handle::From(id) => Some(*id),
            Handle::Known(_) => None,
        }
    }
    match &operation.action {
        Action::CreateContainer { network, .. } => (None, from(network)),
        Action::ConnectNetwork { network, container, .. } => (from(container), from(network)),
        Action::UploadFiles { container, .. }
        | Action::SetPolicy { container, .. }
        | Action::UnlockGrant { container, .. }
        | Action::StartContainer { container }
        | Action::AwaitReady { container, .. }
        | Action::RenameContainer { container, .. } => (from(container), None),
        _ => (None, None),
    }
}

pub fn known_container(operation: &Operation) -> Option<&str> {
    match &operation.action {
        Action::UploadFiles { container: Handle::Known(id), .. }
        | Action::StartContainer { container: Handle::Known(id) }
        | Action::AwaitReady { container: Handle::Known(id), .. }
        | Action::RenameContainer { container: Handle::Known(id), .. }
        | Action::UnpauseContainer { container: id }
        | Action::RestartContainer { container: id }
        | Action::StopContainer { container: id, .. }
        | Action::ConnectNetwork { container: Handle::Known(id), .. }
        | Action::DisconnectNetwork { container: id, .. }
        | Action::RemoveContainer { container: id } => Some(id.as_str()),
        _ => None,
    }
}

pub fn removes(operation: &Operation, id: &str) -> bool {
    match &operation.action {
        Action::RemoveContainer { container } => container.as_str() == id,
        Action::RemoveNetwork { network } => network.as_str() == id,
        _ => false,
    }
}

pub fn stops(operation: &Operation, id: &str) -> bool {
    matches!(&operation.action, Action::StopContainer { container, .. } if container.as_str() == id)
}

pub fn renames(operation: &Operation, id: &str) -> bool {
    matches!(&operation.action, Action::RenameContainer { container: Handle::Known(it), .. } if it.as_str() == id)
}

pub fn is_create(action: &Action) -> bool {
    matches!(action, Action::CreateNetwork { .. } | Action::CreateVolume { .. } | Action::CreateContainer { .. })
}

/// Whether a resource reaches a milestone only by this action.
pub fn brings(action: &Action, milestone: Milestone) -> bool {
    let makes = matches!(
        action,
        Action::PullImage { .. } | Action::ImportImage { .. } | Action::SetPolicy { .. } | Action::UnlockGrant { .. }
    );
    let creates = is_create(action) || makes;
    let starts = matches!(
        action,
        Action::StartContainer { .. }
            | Action::UnpauseContainer { .. }
            | Action::RestartContainer { .. }
            | Action::ConnectNetwork { .. }
            | Action::DisconnectNetwork { .. }
    );
    match milestone {
        Milestone::Created => creates,
        Milestone::Started => creates || starts,
        Milestone::Ready => creates || starts || matches!(action, Action::AwaitReady { .. }),
    }
}

pub fn is_up(state: ContainerState) -> bool {
    matches!(state, ContainerState::Running | ContainerState::Paused | ContainerState::Restarting)
}

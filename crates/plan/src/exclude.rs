//! Leaving resources alone for now: a plan without the operations on them, and without what waits for those.
//!
//! Whether a resource is left alone is somebody else's decision; here its consequences are drawn.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Handle, OpId, Operation};
use moat_model::resource::ResourceId;

/// What remains of a plan, numbered anew.
pub(super) fn without(operations: Vec<Operation>, left: &BTreeSet<ResourceId>) -> Vec<Operation> {
    if left.is_empty() {
        return operations;
    }
    let mut numbers: BTreeMap<OpId, OpId> = BTreeMap::new();
    let mut remaining = Vec::with_capacity(operations.len());
    for mut operation in operations {
        // Each comes after all that it waits for, so that what those have become is known.
        let waits_in_vain = operation.after.iter().any(|on| !numbers.contains_key(on));
        if left.contains(&operation.resource) || waits_in_vain {
            continue;
        }
        let id = OpId(remaining.len());
        numbers.insert(operation.id, id);
        operation.id = id;
        for on in &mut operation.after {
            *on = numbers[on];
        }
        operation.action.renumber(&numbers);
        remaining.push(operation);
    }
    remaining
}

impl Action {
    /// A handle is one of the operations that are waited for, and so has a new number.
    fn renumber(&mut self, numbers: &BTreeMap<OpId, OpId>) {
        match self {
            Self::CreateContainer { network, .. } | Self::ConnectNetwork { network, .. } => network.renumber(numbers),
            Self::UploadFiles { container, .. }
            | Self::StartContainer { container }
            | Self::AwaitReady { container, .. }
            | Self::RenameContainer { container, .. } => container.renumber(numbers),
            Self::PullImage { .. }
            | Self::BuildImage { .. }
            | Self::CreateNetwork { .. }
            | Self::CreateVolume { .. }
            | Self::UpdateContainer { .. }
            | Self::UnpauseContainer { .. }
            | Self::RestartContainer { .. }
            | Self::StopContainer { .. }
            | Self::RemoveContainer { .. }
            | Self::RemoveNetwork { .. }
            | Self::RemoveVolume => {}
        }
    }
}

impl<Id> Handle<Id> {
    fn renumber(&mut self, numbers: &BTreeMap<OpId, OpId>) {
        if let Self::From(operation) = self
            && let Some(number) = numbers.get(operation)
        {
            *operation = *number;
        }
    }
}

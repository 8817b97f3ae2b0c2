//! Exclusion of resources: a plan without the operations on them and on their dependents.
//!
//! The caller decides which resources to exclude.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Handle, OpId, Operation};
use moat_model::resource::ResourceId;

/// The remaining operations of a plan, renumbered.
pub(super) fn without(operations: Vec<Operation>, left: &BTreeSet<ResourceId>) -> Vec<Operation> {
    if left.is_empty() {
        return operations;
    }
    let mut numbers: BTreeMap<OpId, OpId> = BTreeMap::new();
    let mut remaining = Vec::with_capacity(operations.len());
    for mut operation in operations {
        // Each operation comes after those that it requires, so their new numbers are known.
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
    /// A handle refers to a required operation, which has a new number.
    fn renumber(&mut self, numbers: &BTreeMap<OpId, OpId>) {
        match self {
            Self::CreateContainer { network, .. } => network.renumber(numbers),
            Self::ConnectNetwork { network, container, .. } => {
                network.renumber(numbers);
                container.renumber(numbers);
            }
            Self::UploadFiles { container, .. }
            | Self::SetPolicy { container, .. }
            | Self::UnlockGrant { container, .. }
            | Self::StartContainer { container }
            | Self::AwaitReady { container, .. }
            | Self::RenameContainer { container, .. } => container.renumber(numbers),
            Self::PullImage { .. }
            | Self::BuildImage { .. }
            | Self::ImportImage { .. }
            | Self::CreateNetwork { .. }
            | Self::CreateVolume { .. }
            | Self::UpdateContainer { .. }
            | Self::UnpauseContainer { .. }
            | Self::RestartContainer { .. }
            | Self::StopContainer { .. }
            | Self::DisconnectNetwork { .. }
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

//! Plans with one fault each, as a wrong planner would make them. The checker must refuse all of them.

use std::collections::BTreeSet;

use moat_model::resource::{ContainerId, NetworkId};
use moat_plan::{Action, Handle, OpId, Operation, Plan};

/// A mutation of a plan, and the result.
pub struct Mutant {
    pub fault: String,
    pub plan: Plan,
}

/// All mutations of a plan, one at a time.
pub fn of(plan: &Plan) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for operation in &plan.operations {
        let mut add = |fault: &str, plan: Plan| mutants.push(Mutant { fault: format!("{fault} `{operation}`"), plan });
        add("forgot", without(plan, operation.id));
        if let Some(twice) = twice(plan, operation) {
            add("twice", twice);
        }
        if let Some(strange) = at_somebody_else(operation) {
            add("aimed elsewhere", replaced(plan, operation.id, strange));
        }
        for edge in essential(plan, operation) {
            let mut hasty = operation.clone();
            hasty.after.retain(|id| *id != edge);
            add(&format!("did not wait for {edge} in"), replaced(plan, operation.id, hasty));
        }
    }
    mutants
}

/// A plan without an operation; its dependents get its dependencies.
fn without(plan: &Plan, gone: OpId) -> Plan {
    let shift = |id: OpId| if id > gone { OpId(id.0 - 1) } else { id };
    let inherited = &plan.operations[gone.0].after;
    let kept = plan.operations.iter().filter(|operation| operation.id != gone).map(|operation| {
        let mut after: BTreeSet<OpId> = operation.after.iter().filter(|id| **id != gone).map(|id| shift(*id)).collect();
        if operation.after.contains(&gone) {
            after.extend(inherited.iter().map(|id| shift(*id)));
        }
        let action = with_handles(&operation.action, &shift);
        Operation { id: shift(operation.id), action, after: after.into_iter().collect(), ..operation.clone() }
    });
    Plan { operations: kept.collect() }
}

/// Repeats an operation that can run only once.
fn twice(plan: &Plan, operation: &Operation) -> Option<Plan> {
    let once_only = matches!(
        operation.action,
        Action::CreateContainer { .. } | Action::CreateNetwork { .. } | Action::CreateVolume { .. }
    );
    let mut plan = plan.clone();
    let id = OpId(plan.operations.len());
    plan.operations.push(Operation { id, ..operation.clone() });
    once_only.then_some(plan)
}

fn at_somebody_else(operation: &Operation) -> Option<Operation> {
    let unknown = ContainerId::new("f".repeat(64));
    let action = match operation.action.clone() {
        Action::RemoveContainer { .. } => Action::RemoveContainer { container: unknown },
        Action::StopContainer { grace, .. } => Action::StopContainer { container: unknown, grace },
        Action::RestartContainer { .. } => Action::RestartContainer { container: unknown },
        Action::UnpauseContainer { .. } => Action::UnpauseContainer { container: unknown },
        Action::StartContainer { container: Handle::Known(_) } => {
            Action::StartContainer { container: Handle::Known(unknown) }
        }
        Action::ConnectNetwork { network, aliases, address, .. } => {
            Action::ConnectNetwork { network, container: Handle::Known(unknown), aliases, address }
        }
        Action::DisconnectNetwork { network, .. } => Action::DisconnectNetwork { network, container: unknown },
        Action::SetPolicy { command, policy, .. } => {
            Action::SetPolicy { container: Handle::Known(unknown), command, policy }
        }
        Action::UnlockGrant { command, grant, value, restore, .. } => {
            Action::UnlockGrant { container: Handle::Known(unknown), command, grant, value, restore }
        }
        Action::RemoveNetwork { .. } => Action::RemoveNetwork { network: NetworkId::new("f".repeat(64)) },
        Action::CreateContainer { labels, config, mounts, ports, address, resolver, .. } => Action::CreateContainer {
            labels,
            config,
            network: Handle::Known(NetworkId::new("f".repeat(64))),
            mounts,
            ports,
            address,
            resolver,
        },
        _ => return None,
    };
    Some(Operation { action, ..operation.clone() })
}

/// The edges of an operation that no other path through the plan implies.
fn essential(plan: &Plan, operation: &Operation) -> Vec<OpId> {
    let reaches = |from: OpId, to: OpId| {
        let mut seen = BTreeSet::from([from]);
        let mut open = vec![from];
        while let Some(next) = open.pop() {
            for id in &plan.operations[next.0].after {
                if seen.insert(*id) {
                    open.push(*id);
                }
            }
        }
        seen.contains(&to)
    };
    let implied = |edge: &OpId| operation.after.iter().any(|other| other != edge && reaches(*other, *edge));
    // A name may be restored earlier or later without harm.
    let is_free = |edge: &OpId| {
        let on = &plan.operations[edge.0].action;
        matches!((&operation.action, on), (Action::RenameContainer { .. }, Action::AwaitReady { .. }))
    };
    operation.after.iter().filter(|edge| !implied(edge) && !is_free(edge)).copied().collect()
}

fn replaced(plan: &Plan, id: OpId, operation: Operation) -> Plan {
    let mut plan = plan.clone();
    plan.operations[id.0] = operation;
    plan
}

fn with_handles(action: &Action, shift: &impl Fn(OpId) -> OpId) -> Action {
    fn moved<T>(handle: &mut Handle<T>, shift: &impl Fn(OpId) -> OpId) {
        if let Handle::From(id) = handle {
            *id = shift(*id);
        }
    }
    let mut action = action.clone();
    match &mut action {
        Action::CreateContainer { network, .. } => moved(network, shift),
        Action::ConnectNetwork { network, container, .. } => {
            moved(network, shift);
            moved(container, shift);
        }
        Action::UploadFiles { container, .. }
        | Action::StartContainer { container }
        | Action::SetPolicy { container, .. }
        | Action::UnlockGrant { container, .. }
        | Action::AwaitReady { container, .. }
        | Action::RenameContainer { container, .. } => moved(container, shift),
        _ => {}
    }
    action
}

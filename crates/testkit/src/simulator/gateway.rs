//! The checker's requirements of a gateway: its second network before its start, and its rules.

use std::collections::BTreeSet;

use moat_model::graph::{Graph, Node};
use moat_model::resource::{Config, ContainerConfig, PolicyConfig};
use moat_model::state::Observed;
use moat_plan::{Action, Handle, OpId, Operation, Plan};

use super::reading::{is_up, removes};

/// Checks that `plan` leaves every gateway of `graph` with both networks and its rules. `before`: the operations that
/// have certainly been done before each one.
pub fn is_complete(graph: &Graph, observed: &Observed, plan: &Plan, before: &[BTreeSet<OpId>]) -> Result<(), String> {
    for node in graph.nodes() {
        match &node.config {
            Config::Container(config) => {
                uplink_comes_first(node, config, plan, before)?;
                no_way_around(graph, node, config, observed, plan)?;
            }
            Config::Policy(policy) => rules_are_set(node, policy, observed, plan)?,
            _ => {}
        }
    }
    Ok(())
}

/// A gateway without its second network would be ready, and reach nothing.
fn uplink_comes_first(
    node: &Node,
    config: &ContainerConfig,
    plan: &Plan,
    before: &[BTreeSet<OpId>],
) -> Result<(), String> {
    if config.uplink.is_none() {
        return Ok(());
    }
    for start in plan.operations.iter().filter(|it| it.resource == node.id) {
        let Action::StartContainer { container: Handle::From(created) } = &start.action else { continue };
        let connects = |id: &OpId| {
            let action = &plan.operations[id.0].action;
            matches!(action, Action::ConnectNetwork { container: Handle::From(it), .. } if it == created)
        };
        if !before[start.id.0].iter().any(connects) {
            return Err(format!("{start}: starts a gateway without its second network"));
        }
    }
    Ok(())
}

/// A container that stays up leaves every network that is not the run's.
fn no_way_around(
    graph: &Graph,
    node: &Node,
    config: &ContainerConfig,
    observed: &Observed,
    plan: &Plan,
) -> Result<(), String> {
    let network = graph.node(&config.network.network).map(|node| &node.config);
    if !matches!(network, Some(Config::Network(network)) if network.gateway) {
        return Ok(());
    }
    let ours: BTreeSet<_> = observed.networks.iter().map(|network| &network.id).collect();
    let goes = |id: &str| plan.operations.iter().any(|it| removes(it, id));
    let stay = observed.containers_of(&node.id).filter(|it| is_up(it.state) && !goes(it.id.as_str()));
    for facts in stay {
        for other in facts.networks.iter().filter_map(|end| end.id.as_ref()).filter(|id| !ours.contains(id)) {
            let leaves = |it: &Operation| matches!(&it.action, Action::DisconnectNetwork { network, container } if network == other && *container == facts.id);
            if !plan.operations.iter().any(leaves) {
                return Err(format!("{} stays on network {other}", facts.name));
            }
        }
    }
    Ok(())
}

/// A gateway that is started, or has other rules in force, gets the desired ones.
fn rules_are_set(node: &Node, policy: &PolicyConfig, observed: &Observed, plan: &Plan) -> Result<(), String> {
    let starts = |it: &Operation| matches!(it.action, Action::StartContainer { .. } | Action::RestartContainer { .. });
    let is_started = plan.operations.iter().any(|it| it.resource == policy.gateway && starts(it));
    let goes = |id: &str| plan.operations.iter().any(|it| removes(it, id));
    let is_in_force = observed.containers_of(&policy.gateway).any(|it| {
        let facts = observed.policies.get(&it.id);
        !goes(it.id.as_str()) && facts.is_some_and(|facts| facts.digest == Some(policy.digest()))
    });
    let sets: Vec<_> = plan.operations.iter().filter(|it| it.resource == node.id).collect();
    match sets[..] {
        [] if is_started || !is_in_force => Err(format!("{} is not set", node.id)),
        [] => Ok(()),
        [set] => match &set.action {
            Action::SetPolicy { policy: text, container, .. } if *text == policy.text => {
                let is_it = match container {
                    Handle::Known(id) => observed.containers_of(&policy.gateway).any(|it| it.id == *id),
                    Handle::From(created) => plan.operations[created.0].resource == policy.gateway,
                };
                if is_it { Ok(()) } else { Err(format!("{set}: in another container")) }
            }
            _ => Err(format!("{set}: sets other rules")),
        },
        _ => Err(format!("{} is set twice", node.id)),
    }
}

//! The checker's requirements of a gateway: its second network before its start, and its rules.

use std::collections::BTreeSet;

use moat_model::graph::{Graph, Milestone, Node};
use moat_model::resource::{Config, ContainerConfig, GrantConfig, PolicyConfig, ResourceId};
use moat_model::state::{ContainerFacts, Endpoint, Observed};
use moat_plan::{Action, Handle, OpId, Operation, Plan};

use super::reading::{brings, is_up, removes};

/// Checks that `plan` leaves every gateway of `graph` with both networks and its rules. `before`: the operations that
/// have certainly been done before each one.
pub fn is_complete(graph: &Graph, observed: &Observed, plan: &Plan, before: &[BTreeSet<OpId>]) -> Result<(), String> {
    for node in graph.nodes() {
        match &node.config {
            Config::Container(config) => {
                uplink_is_connected_first(node, config, plan, before)?;
                networks_are_mended(graph, node, config, observed, plan)?;
                no_bypass(graph, node, config, observed, plan)?;
            }
            Config::Policy(policy) => rules_are_set(node, policy, observed, plan, before)?,
            Config::Grant(grant) => grant_is_unlocked(node, grant, observed, plan, before)?,
            _ => {}
        }
    }
    Ok(())
}

/// A gateway without its second network would be ready, and reach nothing.
fn uplink_is_connected_first(
    node: &Node,
    config: &ContainerConfig,
    plan: &Plan,
    before: &[BTreeSet<OpId>],
) -> Result<(), String> {
    if config.uplink.is_none() {
        return Ok(());
    }
    for start in plan.operations.iter().filter(|it| it.resource == node.id) {
        let Action::StartContainer { container } = &start.action else { continue };
        let connects =
            |it: &&Operation| matches!(&it.action, Action::ConnectNetwork { container: to, .. } if to == container);
        let mut connections = plan.operations.iter().filter(connects).peekable();
        if matches!(container, Handle::From(_)) && connections.peek().is_none() {
            return Err(format!("{start}: starts a gateway without its second network"));
        }
        if !connections.all(|it| before[start.id.0].contains(&it.id)) {
            return Err(format!("{start}: starts a gateway before it is connected"));
        }
    }
    Ok(())
}

/// The containers of a resource that a plan does not remove.
fn staying<'a>(node: &'a Node, observed: &'a Observed, plan: &Plan) -> Vec<&'a ContainerFacts> {
    let goes = |id: &str| plan.operations.iter().any(|it| removes(it, id));
    observed.containers_of(&node.id).filter(|it| !goes(it.id.as_str())).collect()
}

/// A gateway that stays and has lost a network is connected to it again.
fn networks_are_mended(
    graph: &Graph,
    node: &Node,
    config: &ContainerConfig,
    observed: &Observed,
    plan: &Plan,
) -> Result<(), String> {
    if config.uplink.is_none() {
        return Ok(());
    }
    let goes = |id: &str| plan.operations.iter().any(|it| removes(it, id));
    let stay = staying(node, observed, plan);
    for (network, facts) in config.networks().flat_map(|network| stay.iter().map(move |facts| (network, facts))) {
        let kept: Vec<_> = observed.networks_of(network).map(|it| &it.id).filter(|id| !goes(id.as_str())).collect();
        // Before its first start a container has only the names of its networks, or the id that it was created with.
        let is_named = |name: &str| name == graph.run.name_of(network) || kept.iter().any(|id| id.as_str() == name);
        let is_it = |end: &Endpoint| end.id.as_ref().map_or(is_named(&end.network), |id| kept.contains(&id));
        let is_on = facts.networks.iter().any(is_it);
        let connects = |it: &Operation| match &it.action {
            Action::ConnectNetwork { container: Handle::Known(id), network: to, .. } if *id == facts.id => match to {
                Handle::Known(id) => kept.contains(&id),
                Handle::From(made) => plan.operations[made.0].resource == *network,
            },
            _ => false,
        };
        if !is_on && !plan.operations.iter().any(connects) {
            return Err(format!("{} stays without {network}", facts.name));
        }
    }
    Ok(())
}

/// A container that stays up leaves every network that is not the run's.
fn no_bypass(
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
    for facts in staying(node, observed, plan).into_iter().filter(|it| is_up(it.state)) {
        for other in facts.networks.iter().filter_map(|end| end.id.as_ref()).filter(|id| !ours.contains(id)) {
            let leaves = |it: &Operation| matches!(&it.action, Action::DisconnectNetwork { network, container } if network == other && *container == facts.id);
            if !plan.operations.iter().any(leaves) {
                return Err(format!("{} stays on network {other}", facts.name));
            }
        }
    }
    Ok(())
}

/// Whether a gateway takes no command, or has not both networks, before the operation.
fn starts_it(operation: &Operation) -> bool {
    brings(&operation.action, Milestone::Started)
}

/// A gateway that is started, or has other rules in force, gets the desired ones.
fn rules_are_set(
    node: &Node,
    policy: &PolicyConfig,
    observed: &Observed,
    plan: &Plan,
    before: &[BTreeSet<OpId>],
) -> Result<(), String> {
    let starts = |it: &Operation| matches!(it.action, Action::StartContainer { .. });
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
                if !is_it {
                    return Err(format!("{set}: in another container"));
                }
                let mut of_gateway = plan.operations.iter().filter(|it| it.resource == policy.gateway);
                let is_asked = observed.containers_of(&policy.gateway).any(|it| observed.policies.contains_key(&it.id));
                let starts = plan.operations.iter().any(|it| it.resource == policy.gateway && starts_it(it));
                let first = |it: &Operation| {
                    let awaits = matches!(it.action, Action::AwaitReady { .. });
                    starts_it(it) || (awaits && !starts && !is_asked)
                };
                let waits = of_gateway.all(|it| !first(it) || before[set.id.0].contains(&it.id));
                if waits { Ok(()) } else { Err(format!("{set}: before the gateway can take it")) }
            }
            _ => Err(format!("{set}: sets other rules")),
        },
        _ => Err(format!("{} is set twice", node.id)),
    }
}

/// A gateway that is started, or has no value or another one, gets the desired one, and a revoked grant gets none.
fn grant_is_unlocked(
    node: &Node,
    grant: &GrantConfig,
    observed: &Observed,
    plan: &Plan,
    before: &[BTreeSet<OpId>],
) -> Result<(), String> {
    let starts = |it: &&Operation| it.resource == grant.gateway && starts_it(it);
    let is_gone = |id: &str| plan.operations.iter().any(|it| removes(it, id));
    let gateways = observed.containers_of(&grant.gateway).filter(|it| !is_gone(it.id.as_str()));
    let kept: Vec<_> = gateways.filter_map(|it| observed.policies.get(&it.id)).collect();
    let held = kept.iter().find_map(|facts| facts.grants.get(&node.id.name));
    let is_revoked = held.is_some_and(|it| it.revoked);
    let has_definition = kept.iter().any(|it| it.text.as_ref().is_some_and(|text| text.contains(&grant.definition)));
    let has_value = held.is_some_and(|it| !it.locked && it.digest == grant.value.tag());
    let is_needed = !has_definition || !has_value || plan.operations.iter().any(|it| starts(&it));
    let unlocks: Vec<_> = plan.operations.iter().filter(|it| it.resource == node.id).collect();
    match unlocks[..] {
        [] if is_revoked || !is_needed => Ok(()),
        [] => Err(format!("{} stays locked", node.id)),
        [it] if is_revoked => Err(format!("{it}: a user has revoked it")),
        [it] => match &it.action {
            Action::UnlockGrant { value, container, restore: false, .. } if *value == grant.value => {
                let is_gateway = match container {
                    Handle::Known(id) => observed.containers_of(&grant.gateway).any(|it| it.id == *id),
                    Handle::From(created) => plan.operations[created.0].resource == grant.gateway,
                };
                let first = |it: &&Operation| starts(it) || it.resource == ResourceId::policy();
                let waits = plan.operations.iter().filter(first).all(|first| before[it.id.0].contains(&first.id));
                if is_gateway && waits { Ok(()) } else { Err(format!("{it}: elsewhere, or before its rules")) }
            }
            _ => Err(format!("{it}: gives another value")),
        },
        _ => Err(format!("{} is unlocked twice", node.id)),
    }
}

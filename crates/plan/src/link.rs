//! The networks of a container: those that it lacks, those that it must not have, and its addresses.

use std::net::Ipv4Addr;

use super::Handle;
use super::builder::PlanBuilder;
use super::completion::is_done;
use super::removal::is_up;
use moat_model::graph::Node;
use moat_model::resource::subnet::gateway_address;
use moat_model::resource::{Config, ContainerConfig, NetworkId, ResourceId};
use moat_model::state::{ContainerFacts, Endpoint};

/// The relation of an existing container to its networks.
pub(super) enum Link {
    Fine,
    /// The container can be connected to these in place.
    Missing(Vec<ResourceId>),
    /// The container refers to a network that no longer exists, and would not start; or to one that is to be removed.
    Dead,
}

pub(super) fn link(draft: &PlanBuilder<'_>, node: &Node, config: &ContainerConfig, facts: &ContainerFacts) -> Link {
    let is_surplus = |id: &NetworkId| {
        let is_own = config.networks().any(|network| known(draft, network) == Some(id));
        !is_own && draft.observed.networks.iter().any(|it| it.id == *id)
    };
    let goes = facts.networks.iter().any(|end| end.id.as_ref().is_some_and(is_surplus));
    // A completed command needs no network.
    if is_done(draft, node, facts) && !goes {
        return Link::Fine;
    }
    // A container created on another network may keep running, but could not start again.
    if facts.home.as_ref() != known(draft, &config.network.network) || goes {
        return Link::Dead;
    }
    if config.uplink.iter().any(|uplink| is_outlived(draft, uplink, facts)) {
        return Link::Dead;
    }
    // Whether the other network exists shows only at the start, which would connect the container to it.
    if !is_up(facts.state) && !others(draft, config, facts).is_empty() {
        return Link::Dead;
    }
    let missing: Vec<ResourceId> = config.networks().filter(|it| !is_on(draft, it, facts)).cloned().collect();
    if missing.is_empty() { Link::Fine } else { Link::Missing(missing) }
}

/// The networks that a container has to leave.
pub(super) fn networks_to_leave(
    draft: &PlanBuilder<'_>,
    config: &ContainerConfig,
    facts: &ContainerFacts,
) -> Vec<NetworkId> {
    if is_up(facts.state) { others(draft, config, facts) } else { Vec::new() }
}

/// The networks outside of the run that a container is connected to, if it must not have another way out.
fn others(draft: &PlanBuilder<'_>, config: &ContainerConfig, facts: &ContainerFacts) -> Vec<NetworkId> {
    if !is_held(draft, config) {
        return Vec::new();
    }
    let ids = facts.networks.iter().filter_map(|end| end.id.as_ref());
    let is_own = |id: &NetworkId| config.networks().any(|network| known(draft, network) == Some(id));
    ids.filter(|id| !is_own(id)).cloned().collect()
}

/// The fixed address of a gateway on its network.
pub(super) fn address(draft: &PlanBuilder<'_>, config: &ContainerConfig) -> Option<Ipv4Addr> {
    config.uplink.as_ref().and_then(|_| gateway_of(draft, config))
}

/// The gateway as the name server of a container that depends on it.
pub(super) fn resolver(draft: &PlanBuilder<'_>, config: &ContainerConfig) -> Option<Ipv4Addr> {
    if config.uplink.is_some() { None } else { gateway_of(draft, config) }
}

fn gateway_of(draft: &PlanBuilder<'_>, config: &ContainerConfig) -> Option<Ipv4Addr> {
    let subnet = draft.subnets.get(&config.network.network).filter(|_| is_held(draft, config));
    subnet.map(|subnet| gateway_address(*subnet))
}

/// Whether the only way out of the container's network is a gateway.
fn is_held(draft: &PlanBuilder<'_>, config: &ContainerConfig) -> bool {
    let network = draft.graph.node(&config.network.network).map(|node| &node.config);
    matches!(network, Some(Config::Network(network)) if network.gateway)
}

/// The network's id, if it exists and is kept.
fn known<'a>(draft: &'a PlanBuilder<'_>, network: &ResourceId) -> Option<&'a NetworkId> {
    match draft.networks.get(network) {
        Some(Handle::Known(id)) => Some(id),
        _ => None,
    }
}

fn is_on(draft: &PlanBuilder<'_>, network: &ResourceId, facts: &ContainerFacts) -> bool {
    let (id, name) = (known(draft, network), draft.graph.run.name_of(network));
    let names_it = |end: &Endpoint| end.network == name || id.is_some_and(|id| end.network == id.as_str());
    facts.networks.iter().any(|end| if end.id.is_some() { end.id.as_ref() == id } else { names_it(end) })
}

/// Whether a container refers to an earlier network of this name.
fn is_outlived(draft: &PlanBuilder<'_>, network: &ResourceId, facts: &ContainerFacts) -> bool {
    let (id, name) = (known(draft, network), draft.graph.run.name_of(network));
    facts.networks.iter().any(|end| end.network == name && end.id.is_some() && end.id.as_ref() != id)
}

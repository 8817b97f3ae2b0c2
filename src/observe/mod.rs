//! One snapshot of what an engine has of a run: three lists, and what a creation will need to know besides.
//!
//! The number of calls does not depend on the number of resources. Nothing is remembered between two
//! observations, and nothing is changed.

pub mod builds;
pub mod proof;
pub mod runs;

use std::collections::BTreeSet;

use futures_util::future::{try_join, try_join_all, try_join3};

use crate::engine::{Engine, EngineError, Filter};
use crate::graph::{Graph, Node};
use crate::resource::{Config, ImageRef};
use crate::state::{ContainerFacts, ContainerState, NetworkFacts, Observed};

/// Looks at everything of the graph's run.
///
/// # Errors
/// If the engine does not answer. A part of the world is never taken for the whole.
pub async fn observe<E: Engine>(engine: &E, graph: &Graph) -> Result<Observed, EngineError> {
    let filter = Filter::Run(graph.run.id.clone());
    let lists = (engine.containers(&filter), engine.networks(&filter), engine.volumes(&filter));
    let (containers, networks, volumes) = try_join3(lists.0, lists.1, lists.2).await?;
    let mut observed = Observed { networks, volumes, containers, ..Observed::default() };
    proof::second_opinion(engine, graph, &mut observed).await;
    let needed = graph.nodes().filter(|node| needs_image(node, graph, &observed));
    let references: BTreeSet<ImageRef> = needed
        .filter_map(|node| match &node.config {
            Config::Container(config) => Some(config.image.clone()),
            _ => None,
        })
        .collect();
    let asked = references.into_iter().map(|reference| async move {
        let facts = engine.image(&reference).await?;
        Ok::<_, EngineError>((reference, facts))
    });
    let needs_subnet = graph.nodes().any(|node| needs_subnet(node, &observed));
    let all_networks = async { if needs_subnet { engine.networks(&Filter::All).await } else { Ok(Vec::new()) } };
    let (images, all_networks) = try_join(try_join_all(asked), all_networks).await?;
    observed.images = images.into_iter().collect();
    observed.taken = all_networks.into_iter().flat_map(|facts| facts.subnets).collect();
    Ok(observed)
}

/// A network that is to be created needs a place that no other one has.
fn needs_subnet(node: &Node, observed: &Observed) -> bool {
    let wanted = node.config.hash();
    let as_wanted = |facts: &NetworkFacts| facts.owner.as_ref().is_some_and(|owner| owner.hash == wanted);
    matches!(node.config, Config::Network(_)) && !observed.networks_of(&node.id).any(as_wanted)
}

/// A container that runs as wanted needs its image no more; any other may have to be created again. So may one whose
/// network goes: because another is wanted, or because it is not the only one of its name.
fn needs_image(node: &Node, graph: &Graph, observed: &Observed) -> bool {
    let Config::Container(config) = &node.config else { return false };
    let wanted = node.config.hash();
    let network = graph.node(&config.network.network).map(|node| node.config.hash());
    let stays = |facts: &NetworkFacts| facts.owner.as_ref().map(|owner| &owner.hash) == network.as_ref();
    let mut networks = observed.networks_of(&config.network.network);
    let home = match (networks.next(), networks.next()) {
        (Some(only), None) if stays(only) => Some(&only.id),
        _ => None,
    };
    let is_fine = |facts: &ContainerFacts| {
        let on_ours = home.is_some() && facts.home.as_ref() == home;
        let as_wanted = facts.owner.as_ref().is_some_and(|owner| owner.hash == wanted);
        as_wanted && on_ours && facts.state == ContainerState::Running
    };
    !observed.containers_of(&node.id).any(is_fine)
}

//! Observation: a snapshot of a run on an engine, from three lists and the details that the plan needs.
//!
//! The number of calls does not depend on the number of resources. Nothing is kept between two
//! observations, and nothing is changed.

pub mod builds;
pub mod proof;
pub mod registry;
pub mod runs;
pub mod sessions;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{try_join, try_join_all, try_join3, try_join5};

use moat_model::engine::{Engine, EngineError, Fault, Filter, Inspection};
use moat_model::graph::{Graph, Node, comparable};
use moat_model::resource::label::Ownership;
use moat_model::resource::{Config, HostPort, ImageDigest, ImageRef, Mount, MountSource, Probe, Role};
use moat_model::state::{ContainerFacts, ContainerState, Health, Live, NetworkFacts, Observed, RAN_WELL};

/// Observes all resources of the graph's run.
///
/// # Errors
/// If the engine does not answer. A partial observation is never returned.
pub async fn observe<E: Engine>(engine: &E, graph: &Graph) -> Result<Observed, EngineError> {
    observe_with(engine, graph, &BTreeMap::new()).await
}

/// Observes the images to refresh as well, whether a container needs them or not.
///
/// # Errors
/// As [`observe`].
pub async fn observe_with<E: Engine>(
    engine: &E,
    graph: &Graph,
    refreshed: &BTreeMap<ImageRef, ImageDigest>,
) -> Result<Observed, EngineError> {
    let filter = Filter::Run(graph.run.id.clone());
    let lists = (engine.containers(&filter), engine.networks(&filter), engine.volumes(&filter));
    let (containers, networks, volumes) = try_join3(lists.0, lists.1, lists.2).await?;
    let mut observed = Observed { networks, volumes, containers, ..Observed::default() };
    proof::second_opinion(engine, graph, &mut observed).await;
    let comparable = comparable(graph, &observed.containers).into_owned();
    let graph = &comparable;
    let needed = graph.nodes().filter(|node| needs_image(node, graph, &observed));
    let needed = needed.filter_map(|node| match &node.config {
        Config::Container(config) => Some(config.image.clone()),
        _ => None,
    });
    let references: BTreeSet<ImageRef> = needed.chain(refreshed.keys().cloned()).collect();
    let asked = references.into_iter().map(|reference| async move {
        let facts = engine.image(&reference).await?;
        Ok::<_, EngineError>((reference, facts))
    });
    let needs_subnet = graph.nodes().any(|node| needs_subnet(node, &observed));
    let all_networks = async { if needs_subnet { engine.networks(&Filter::All).await } else { Ok(Vec::new()) } };
    let all_containers =
        async { if needs_others(graph, &observed) { engine.containers(&Filter::All).await } else { Ok(Vec::new()) } };
    let is_foreign = |mount: &Mount| matches!(mount.source, MountSource::Foreign(_));
    let all_volumes = async {
        let asks = mounts_any(graph, &observed, is_foreign);
        if asks { engine.volumes(&Filter::All).await.map(Some) } else { Ok(None) }
    };
    let updatable = observed.containers.iter().filter(|facts| may_be_updated(graph, facts)).map(|facts| async {
        match engine.inspect(&facts.id).await {
            Ok(it) => {
                let Inspection { limits, restart, restarts, started, .. } = it;
                let live = Live { limits, restart, restarts, started };
                Ok(Some((facts.id.clone(), live)))
            }
            // The container was removed since the list was made.
            Err(error) if error.fault == Fault::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    });
    let killed = observed.containers.iter().filter(|facts| facts.was_killed()).map(|facts| async {
        match engine.inspect(&facts.id).await {
            Ok(it) => Ok(it.oom_killed.then(|| facts.id.clone())),
            Err(error) if error.fault == Fault::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    });
    let updatable = async { try_join(try_join_all(updatable), try_join_all(killed)).await };
    let looks = try_join5(try_join_all(asked), all_networks, all_containers, updatable, all_volumes);
    let (images, all_networks, all_containers, (live, out_of_memory), all_volumes) = Box::pin(looks).await?;
    observed.all_volumes = all_volumes.map(|all| all.into_iter().map(|facts| facts.name).collect());
    observed.live = live.into_iter().flatten().collect();
    observed.out_of_memory = out_of_memory.into_iter().flatten().collect();
    let others =
        all_containers.into_iter().filter(|facts| facts.owner.as_ref().is_none_or(|it| it.run != graph.run.id));
    let others: Vec<ContainerFacts> = others.collect();
    observed.ports_taken = others.iter().flat_map(ports_of).collect();
    let owners = others.iter().filter_map(|facts| facts.owner.as_ref());
    let writable =
        |owner: &Ownership| owner.writable_paths().into_iter().map(|path| (path, owner.agent.clone())).collect();
    observed.writable = owners.flat_map::<Vec<_>, _>(writable).collect();
    observed.images = images.into_iter().collect();
    observed.taken = all_networks.into_iter().flat_map(|facts| facts.subnets).collect();
    Ok(observed)
}

/// A new container may need a free port, and may mount paths that others can write.
fn needs_others(graph: &Graph, observed: &Observed) -> bool {
    needs_port(graph, observed) || mounts_any(graph, observed, |mount| mount.path().is_some())
}

/// Whether a container that is to be created has such a mount.
fn mounts_any(graph: &Graph, observed: &Observed, is_such: impl Fn(&Mount) -> bool) -> bool {
    graph.nodes().filter(|node| needs_image(node, graph, observed)).any(|node| match &node.config {
        Config::Container(config) => config.mounts.iter().any(&is_such),
        _ => false,
    })
}

/// A container that is to be created may need a port that nobody has.
fn needs_port(graph: &Graph, observed: &Observed) -> bool {
    graph.nodes().filter(|node| needs_image(node, graph, observed)).any(|node| match &node.config {
        Config::Container(config) => config.ports.iter().any(|port| port.host == HostPort::Free),
        _ => false,
    })
}

/// The ports that a container holds, and those that were chosen for it, whether it runs now or not.
fn ports_of(facts: &ContainerFacts) -> Vec<u16> {
    let chosen = facts.owner.iter().flat_map(|owner| owner.ports.values());
    facts.published.iter().chain(chosen).copied().collect()
}

/// What can be changed in place is not told by a list, and is asked for where it can differ from what the labels say:
/// of the main container, and of sidecars that were created with limits or mount a file. So the number of questions does not grow
/// with the number of containers as such.
fn may_be_updated(graph: &Graph, facts: &ContainerFacts) -> bool {
    let Some(owner) = &facts.owner else { return false };
    let Some(node) = graph.node(&owner.resource) else { return false };
    node.role == Role::Main
        || owner.config.contains("\"limits\":{")
        || may_be_crashing(node, facts)
        || mounts_a_file(graph, node)
}

/// Whether another file may have taken its place since the container was started, which a list does not tell.
fn mounts_a_file(graph: &Graph, node: &Node) -> bool {
    let Config::Container(config) = &node.config else { return false };
    config.mounts.iter().filter_map(Mount::path).any(|path| graph.files.contains_key(path))
}

/// What the engine starts again whenever it ends, and nobody can ask: whether that happens shows in detail only. Only of
/// one that has not been up for long, so that what stands costs no more.
fn may_be_crashing(node: &Node, facts: &ContainerFacts) -> bool {
    let is_young = facts.up_seconds.is_some_and(|seconds| seconds < RAN_WELL.as_secs());
    let is_open = matches!(node.probe, Some(Probe::Running { .. })) && facts.health == Health::None;
    facts.state == ContainerState::Restarting || (facts.state == ContainerState::Running && is_young && is_open)
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
    let network = graph.node(&config.network.network);
    let stays = |facts: &NetworkFacts| {
        network.is_some_and(|node| facts.owner.as_ref().is_some_and(|owner| owner.fits(&node.config)))
    };
    let mut networks = observed.networks_of(&config.network.network);
    let home = match (networks.next(), networks.next()) {
        (Some(only), None) if stays(only) => Some(&only.id),
        _ => None,
    };
    let is_fine = |facts: &ContainerFacts| {
        let on_ours = home.is_some() && facts.home.as_ref() == home;
        let as_wanted = facts.owner.as_ref().is_some_and(|owner| owner.fits(&node.config));
        as_wanted && on_ours && facts.state == ContainerState::Running
    };
    !observed.containers_of(&node.id).any(is_fine)
}

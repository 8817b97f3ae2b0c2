//! Observation: a snapshot of a run on an engine, from three lists and the details that the plan needs.
//!
//! The number of calls does not depend on the number of resources. Nothing is kept between two
//! observations, and nothing is changed.

pub mod builds;
pub mod isolation;
pub mod network;
pub mod policy;
pub mod proof;
pub mod registry;
pub mod runs;
pub mod sessions;
pub mod verification;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use futures_util::future::{join, join_all, try_join, try_join_all, try_join3, try_join5};

use policy::policy;

use moat_model::engine::{Engine, EngineError, Fault, Filter, Inspection};
use moat_model::graph::Graph;
use moat_model::resource::label::Ownership;
use moat_model::resource::{ContainerId, ImageDigest, ImageRef, Probe};
use moat_model::state::{ContainerFacts, ContainerState, Health, Live, Observed};
use moat_plan::{Needs, needs};

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
    proof::recheck_health(engine, graph, &mut observed).await;
    let mut missing = needs(graph, &observed);
    missing.images.extend(refreshed.keys().cloned());
    let killed = observed.containers.iter().filter(|facts| facts.was_killed()).map(|facts| facts.id.clone()).collect();
    query(engine, graph, &missing, killed, &mut observed).await?;
    // An inspection may show that a container has to be replaced, which needs more.
    let missing = needs(graph, &observed);
    if !missing.is_empty() {
        query(engine, graph, &missing, Vec::new(), &mut observed).await?;
    }
    Ok(observed)
}

/// Queries the missing facts in parallel, and whether the `killed` containers ran out of memory.
async fn query<E: Engine>(
    engine: &E,
    graph: &Graph,
    missing: &Needs,
    killed: Vec<ContainerId>,
    observed: &mut Observed,
) -> Result<(), EngineError> {
    let images = missing.images.iter().map(|reference| async move {
        let facts = engine.image(reference).await?;
        Ok::<_, EngineError>((reference.clone(), facts))
    });
    let all = Filter::All;
    let networks = if_needed(missing.subnets, engine.networks(&all));
    let containers = if_needed(missing.ports || missing.writable, engine.containers(&all));
    let volumes = if_needed(missing.volumes, engine.volumes(&all));
    // In the order of the list, so that the calls are in the same order each time.
    let inspected = observed.containers.iter().filter(|facts| missing.live.contains(&facts.id));
    let inspected = inspected.map(|facts| inspect(engine, facts.id.clone()));
    let killed = killed.into_iter().map(|id| inspect(engine, id));
    let inspections = try_join(try_join_all(inspected), try_join_all(killed));
    let lists = try_join5(try_join_all(images), networks, containers, inspections, volumes);
    let policies = join_all(missing.policies.iter().map(|id| policy(engine, id)));
    let (queried, policies) = Box::pin(join(lists, policies)).await;
    let (images, networks, containers, (inspected, killed), volumes) = queried?;
    observed.policies.extend(policies);
    observed.images.extend(images);
    if let Some(networks) = networks {
        observed.taken = Some(networks.into_iter().flat_map(|facts| facts.subnets).collect());
    }
    if let Some(containers) = containers {
        let is_other = |facts: &&ContainerFacts| facts.owner.as_ref().is_none_or(|it| it.run != graph.run.id);
        let others: Vec<&ContainerFacts> = containers.iter().filter(is_other).collect();
        observed.ports_taken = Some(others.iter().flat_map(|facts| ports_of(facts)).collect());
        let owners = others.iter().filter_map(|facts| facts.owner.as_ref());
        observed.writable = Some(owners.flat_map(writable_folders).collect());
    }
    if let Some(volumes) = volumes {
        observed.all_volumes = Some(volumes.into_iter().map(|facts| facts.name).collect::<BTreeSet<_>>());
    }
    for (id, inspection) in inspected {
        match inspection {
            Some(Inspection { limits, restart, restarts, started, health, rights, .. }) => {
                complete_health(graph, &mut observed.containers, &id, health);
                observed.live.insert(id, Live { limits, restart, privileged: rights.privileged, restarts, started });
            }
            None => {
                observed.vanished.insert(id);
            }
        }
    }
    let out_of_memory = killed.into_iter().filter(|(_, it)| it.as_ref().is_some_and(|it| it.oom_killed));
    observed.out_of_memory.extend(out_of_memory.map(|(id, _)| id));
    Ok(())
}

/// Takes the health from an inspection where the list has none, as with Podman. Not a bad one if there is a probe, which
/// counts more (see [`proof::recheck_health`]).
fn complete_health(graph: &Graph, containers: &mut [ContainerFacts], id: &ContainerId, health: Health) {
    let is_it = |it: &&mut ContainerFacts| it.id == *id && it.state == ContainerState::Running;
    let Some(facts) = containers.iter_mut().find(is_it).filter(|it| it.health == Health::None) else { return };
    let node = facts.owner.as_ref().and_then(|owner| graph.node(&owner.resource));
    let has_probe = node.is_some_and(|node| matches!(node.probe, Some(Probe::Exec { .. })));
    if health == Health::Healthy || (health == Health::Unhealthy && !has_probe) {
        facts.health = health;
    }
}

async fn if_needed<T>(
    is_needed: bool,
    call: impl Future<Output = Result<T, EngineError>>,
) -> Result<Option<T>, EngineError> {
    if is_needed { call.await.map(Some) } else { Ok(None) }
}

/// Inspects a container; `None` if it was removed since the list was made.
async fn inspect<E: Engine>(engine: &E, id: ContainerId) -> Result<(ContainerId, Option<Inspection>), EngineError> {
    match engine.inspect(&id).await {
        Ok(inspection) => Ok((id, Some(inspection))),
        Err(error) if error.fault == Fault::NotFound => Ok((id, None)),
        Err(error) => Err(error),
    }
}

/// The ports that a container uses, and those chosen for it, whether it is running or not.
fn ports_of(facts: &ContainerFacts) -> Vec<u16> {
    let chosen = facts.owner.iter().flat_map(|owner| owner.ports.values());
    facts.published.iter().chain(chosen).copied().collect()
}

/// The folders that a container can write to, with its agent.
fn writable_folders(owner: &Ownership) -> Vec<(String, String)> {
    owner.applied.writable_paths().map(|path| (path.to_owned(), owner.agent.clone())).collect()
}

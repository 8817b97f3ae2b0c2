//! Which containers do their job right now, where the engine's own check has not said so yet, or says no.
//!
//! Asks each of them once and waits for nothing. For a look: an apply has its own, patient proof.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use moat_model::engine::Engine;
use moat_model::graph::Graph;
use moat_model::resource::{ContainerId, Probe};
use moat_model::state::{ContainerState, Health, Observed};

/// A daemon that is not well may hang instead of saying no.
const QUESTION: Duration = Duration::from_secs(5);

/// Asks every container that runs, has a probe, and has not been found healthy or unhealthy by the engine.
pub async fn proven<E: Engine>(engine: &E, graph: &Graph, observed: &Observed) -> BTreeSet<ContainerId> {
    ask(engine, graph, observed, |health| matches!(health, Health::None | Health::Starting)).await
}

/// Asks every container that the engine calls unhealthy, and takes its word for it if it does its job.
///
/// An engine calls a container so that was paused, too, and goes on to until its next check, half a minute after it
/// runs again (moby ends a check that way). To restart it would end what runs in it for nothing.
pub(super) async fn second_opinion<E: Engine>(engine: &E, graph: &Graph, observed: &mut Observed) {
    let well = ask(engine, graph, observed, |health| health == Health::Unhealthy).await;
    for facts in observed.containers.iter_mut().filter(|facts| well.contains(&facts.id)) {
        facts.health = Health::Healthy;
    }
}

async fn ask<E: Engine>(
    engine: &E,
    graph: &Graph,
    observed: &Observed,
    is_asked: impl Fn(Health) -> bool,
) -> BTreeSet<ContainerId> {
    let open = graph.nodes().filter_map(|node| match &node.probe {
        Some(Probe::Exec { command, .. }) => Some((&node.id, command)),
        _ => None,
    });
    let asked = open.flat_map(|(id, command)| observed.containers_of(id).map(move |facts| (facts, command)));
    let undecided = asked.filter(|(facts, _)| facts.state == ContainerState::Running && is_asked(facts.health));
    let answers = undecided.map(|(facts, command)| async move {
        let answer = timeout(QUESTION, engine.exec(&facts.id, command)).await;
        let yes = answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.exit_code == 0));
        yes.then(|| facts.id.clone())
    });
    join_all(answers).await.into_iter().flatten().collect()
}

//! Single probes of containers that the engine's own check has not found healthy.
//!
//! Probes each container once and does not wait. For observation only: an apply has its own proof, with retries.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use moat_model::engine::Engine;
use moat_model::graph::Graph;
use moat_model::resource::{ContainerId, Probe};
use moat_model::state::{ContainerFacts, ContainerState, Health, Observed};
use moat_plan::{Options, Plan, compute};

/// A broken daemon may hang instead of failing.
const QUESTION: Duration = Duration::from_secs(5);

/// Probes every running container that has a probe and that the engine has found neither healthy nor unhealthy: because
/// it has not checked yet, or because it never does (Podman without systemd).
pub async fn proven<E: Engine>(engine: &E, graph: &Graph, observed: &Observed) -> BTreeSet<ContainerId> {
    ask(engine, graph, observed, |health| matches!(health, Health::None | Health::Starting)).await
}

/// Computes the plan. If it would only wait for containers, one probe of each may show that there is nothing to wait for;
/// `options` then has these containers as proven. Not those that the engine has just restarted: one probe is no proof that
/// they stay up.
pub async fn plan<E: Engine>(engine: &E, graph: &Graph, observed: &Observed, options: &mut Options) -> Plan {
    let plan = compute(graph, observed, options);
    if !plan.only_waits() {
        return plan;
    }
    let is_open = |facts: &ContainerFacts| !options.proven.contains(&facts.id) && observed.crashes(facts).is_none();
    let open = observed.containers.iter().filter(|facts| is_open(facts)).cloned().collect();
    options.proven.extend(proven(engine, graph, &Observed { containers: open, ..Observed::default() }).await);
    compute(graph, observed, options)
}

/// Probes every container that the engine reports as unhealthy, and treats it as healthy if the probe succeeds.
///
/// An engine also reports a paused container as unhealthy, until its next check, half a minute after it
/// runs again (moby ends a check that way). A restart would needlessly end its processes.
pub(super) async fn recheck_health<E: Engine>(engine: &E, graph: &Graph, observed: &mut Observed) {
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

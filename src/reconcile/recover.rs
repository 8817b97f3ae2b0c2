//! Rollback after a failure: resources created by a first apply are removed, and resources that were being replaced
//! are restored. Both are ordinary plans.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use crate::execute::{Report, execute};
use crate::observe::{observe, observe_with};
use moat_model::engine::{Engine, EngineError};
use moat_model::graph::Graph;
use moat_model::resource::{ContainerId, ResourceId};
use moat_plan::event::{Event, OnEvent};
use moat_plan::{Operation, Options, Plan, Volumes, compute};

/// The result of a rollback.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// The rollback is complete.
    pub whole: bool,
    /// The report of its operations.
    pub done: Vec<Operation>,
}

impl Recovered {
    fn by(plan: Plan, report: &Report) -> Self {
        let failed = |operation: &Operation| report.failures.iter().any(|(id, _)| *id == operation.id);
        let left =
            |operation: &Operation| report.skipped.contains_key(&operation.id) || report.left.contains(&operation.id);
        let done = plan.operations.into_iter().filter(|it| !failed(it) && !left(it)).collect();
        Self { whole: report.succeeded(), done }
    }
}

/// Removes the created resources, by the engine's ids.
pub(super) async fn undo<E: Engine>(
    engine: &E,
    graph: &Graph,
    created: &BTreeSet<String>,
    on_event: OnEvent<'_>,
) -> Result<Recovered, EngineError> {
    let nothing = Graph::empty(graph.run.clone());
    let mut observed = observe(engine, &nothing).await?;
    observed.containers.retain(|it| created.contains(it.id.as_str()));
    observed.networks.retain(|it| created.contains(it.id.as_str()));
    observed.volumes.retain(|it| created.contains(&it.name));
    // A volume created by this apply contains no earlier data.
    let options = Options { volumes: Volumes::All, undo: true, ..Options::default() };
    let plan = compute(&nothing, &observed, &options);
    if plan.is_empty() {
        return Ok(Recovered { whole: true, done: Vec::new() });
    }
    on_event(Event::Undoing { run: &graph.run, plan: &plan });
    // The user interrupted the apply, not its cleanup.
    let report = execute(engine, &plan, on_event, &CancellationToken::new()).await;
    Ok(Recovered::by(plan, &report))
}

/// Restores the older container wherever the newer one could not replace it: because it failed itself, or
/// because it required one that did. Containers `stopped` for it run again, even if they look completed.
pub(super) async fn restore<E: Engine>(
    engine: &E,
    graph: &Graph,
    options: &Options,
    stopped: &BTreeSet<ContainerId>,
    on_event: OnEvent<'_>,
) -> Result<Recovered, EngineError> {
    let observed = observe_with(engine, graph, &options.registry).await?;
    let replaced = graph.nodes().filter(|node| observed.containers_of(&node.id).count() > 1);
    let restore: BTreeSet<ResourceId> = replaced.map(|node| node.id.clone()).collect();
    if restore.is_empty() {
        return Ok(Recovered::default());
    }
    let ended = observed.containers.iter().filter(|it| it.has_completed() && stopped.contains(&it.id));
    let restart = ended.map(|it| it.id.clone()).collect();
    let plan = compute(graph, &observed, &Options { restore, restart, ..options.clone() });
    if plan.is_empty() {
        return Ok(Recovered::default());
    }
    on_event(Event::Undoing { run: &graph.run, plan: &plan });
    let report = execute(engine, &plan, on_event, &CancellationToken::new()).await;
    Ok(Recovered::by(plan, &report))
}

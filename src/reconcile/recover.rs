//! After a failure: what a first apply created is removed again, and what a replacement was to take the place of
//! is put back. Both are plans like any other.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use crate::execute::{Report, execute};
use crate::observe::{observe, observe_with};
use moat_model::engine::{Engine, EngineError};
use moat_model::graph::Graph;
use moat_model::resource::{ContainerId, ResourceId};
use moat_plan::event::{Event, Tell};
use moat_plan::{Operation, Options, Plan, Volumes, compute};

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// Nothing is left of what was to be taken back.
    pub whole: bool,
    /// What was done for that.
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

/// Removes what was created, by the engine's ids.
pub(super) async fn undo<E: Engine>(
    engine: &E,
    graph: &Graph,
    created: &BTreeSet<String>,
    tell: Tell<'_>,
) -> Result<Recovered, EngineError> {
    let nothing = Graph::empty(graph.run.clone());
    let mut observed = observe(engine, &nothing).await?;
    observed.containers.retain(|it| created.contains(it.id.as_str()));
    observed.networks.retain(|it| created.contains(it.id.as_str()));
    observed.volumes.retain(|it| created.contains(&it.name));
    // A volume that this apply has created holds nothing that anybody had before.
    let options = Options { volumes: Volumes::All, undo: true, ..Options::default() };
    let plan = compute(&nothing, &observed, &options);
    if plan.is_empty() {
        return Ok(Recovered { whole: true, done: Vec::new() });
    }
    tell(Event::Undoing { run: &graph.run, plan: &plan });
    // The user has stopped the apply, not the tidying up.
    let report = execute(engine, &plan, tell, &CancellationToken::new()).await;
    Ok(Recovered::by(plan, &report))
}

/// Puts back the older container wherever a newer one did not come to take its place: because it failed itself, or
/// because it waited for one that did. What was `stopped` for that runs again, even if it ended as if it had completed.
pub(super) async fn restore<E: Engine>(
    engine: &E,
    graph: &Graph,
    options: &Options,
    stopped: &BTreeSet<ContainerId>,
    tell: Tell<'_>,
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
    tell(Event::Undoing { run: &graph.run, plan: &plan });
    let report = execute(engine, &plan, tell, &CancellationToken::new()).await;
    Ok(Recovered::by(plan, &report))
}

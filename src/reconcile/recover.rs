//! After a failure: what a first apply created is removed again, and what a replacement was to take the place of
//! is put back. Both are plans like any other.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, EngineError};
use crate::event::{Event, Failure, Tell};
use crate::execute::execute;
use crate::graph::Graph;
use crate::observe::observe;
use crate::plan::{Options, Volumes, compute};
use crate::resource::{Kind, ResourceId};

/// Removes what was created, by the engine's ids. Gives whether all of it is gone.
pub(super) async fn undo<E: Engine>(
    engine: &E,
    graph: &Graph,
    created: &BTreeSet<String>,
    tell: Tell<'_>,
) -> Result<bool, EngineError> {
    let nothing = Graph::empty(graph.run.clone());
    let mut observed = observe(engine, &nothing).await?;
    observed.containers.retain(|it| created.contains(it.id.as_str()));
    observed.networks.retain(|it| created.contains(it.id.as_str()));
    observed.volumes.retain(|it| created.contains(&it.name));
    // A volume that this apply has created holds nothing that anybody had before.
    let options = Options { volumes: Volumes::All, undo: true, ..Options::default() };
    let plan = compute(&nothing, &observed, &options);
    if plan.is_empty() {
        return Ok(true);
    }
    tell(Event::Undoing { run: &graph.run, plan: &plan });
    // The user has stopped the apply, not the tidying up.
    let report = execute(engine, &plan, tell, &CancellationToken::new()).await;
    Ok(report.succeeded())
}

/// Puts back the older container where the newer one failed. Gives whether anything was put back.
pub(super) async fn restore<E: Engine>(
    engine: &E,
    graph: &Graph,
    options: &Options,
    failures: &[Failure],
    tell: Tell<'_>,
) -> Result<bool, EngineError> {
    let containers = failures.iter().filter(|failure| failure.resource.kind == Kind::Container);
    let failed: BTreeSet<ResourceId> = containers.map(|failure| failure.resource.clone()).collect();
    let observed = observe(engine, graph).await?;
    let restore: BTreeSet<ResourceId> =
        failed.into_iter().filter(|resource| observed.containers_of(resource).count() > 1).collect();
    if restore.is_empty() {
        return Ok(false);
    }
    let plan = compute(graph, &observed, &Options { restore, ..options.clone() });
    if plan.is_empty() {
        return Ok(false);
    }
    tell(Event::Undoing { run: &graph.run, plan: &plan });
    let report = execute(engine, &plan, tell, &CancellationToken::new()).await;
    Ok(report.succeeded())
}

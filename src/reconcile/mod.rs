//! Rounds of observe, plan and execute, until nothing is left to do.
//!
//! Level-triggered: every round observes everything, and keeps nothing but what this apply has
//! proven and created. Independent of the command line; prints nothing.

pub mod claims;
mod prove;
pub mod recover;
mod refused;

use std::collections::BTreeSet;

pub use claims::Claims;
use prove::{Proven, prove};
use recover::Recovered;
use refused::refused;

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::execute::{self, Report, execute};
use crate::observe::{observe, observe_with, proof};
use moat_model::engine::{Engine, EngineError, Fault};
use moat_model::graph::{Graph, Node};
use moat_model::resource::label::Ownership;
use moat_model::resource::{Config, ContainerId};
use moat_model::state::{ContainerFacts, ContainerState, Observed};
use moat_plan::event::{Event, Failure, OnEvent};
use moat_plan::{self, Action, Cause, Handle, OpId, Operation, Options, Plan, compute};

/// The maximum rounds of one apply. Two do the work and verify it; the others allow for concurrent changes.
const MAX_ROUNDS: u32 = 8;

/// The reaction to a failed apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Resources created by a first apply are removed; resources that a later apply was replacing are restored.
    Undo,
    /// Resources that were being replaced are restored. Created ones stay for the next try.
    Restore,
    /// Everything stays as it is, for inspection.
    Keep,
}

/// The outcome of an apply.
#[derive(Debug)]
pub enum Outcome {
    /// The run is in sync. `changed`: it was not before.
    Converged { observed: Observed, changed: bool },
    /// An operation failed that another round would not repair.
    /// `undid`: the report of the rollback; `undone`: the rollback is complete.
    Failed { failures: Vec<Failure>, undone: bool, undid: Vec<Operation> },
    /// The run did not converge within the maximum of rounds.
    OutOfBudget { plan: Plan },
    /// The user interrupted the apply. `remaining`: the run's resources still on the engine.
    Interrupted { remaining: Observed },
}

/// The state that all rounds of one apply share.
#[derive(Default)]
struct Progress {
    created: BTreeSet<String>,
    /// No resource of the run existed when the apply started.
    first: bool,
    changed: bool,
    /// Containers that were proven ready in this apply.
    proven: BTreeSet<ContainerId>,
    /// Containers that were stopped to make room for others.
    stopped: BTreeSet<ContainerId>,
    /// Whether the warning about dropped limits was reported.
    reported_dropped: bool,
    /// The failures of the previous round: the same ones twice are permanent.
    failed: Vec<Failure>,
}

/// The conditions for changes.
pub struct Terms<'a, A> {
    /// Shared with the other runs of this process.
    pub claims: &'a Claims,
    pub on_failure: OnFailure,
    /// Called before the first change with the observation and the plan; `false` ends the apply like an interrupt.
    pub agrees: A,
}

/// Reconciles the run with `graph`; `claims` are shared with the other runs of this process.
///
/// # Errors
/// If the engine cannot be observed.
pub async fn until_converged<E: Engine>(
    engine: &E,
    graph: &Graph,
    options: Options,
    claims: &Claims,
    on_failure: OnFailure,
    on_event: OnEvent<'_>,
    stop: &CancellationToken,
) -> Result<Outcome, EngineError> {
    let terms = Terms { claims, on_failure, agrees: async |_: &Observed, _: &Plan| true };
    until_converged_on(engine, graph, options, terms, on_event, stop).await
}

/// As [`until_converged`], with a confirmation before the first change.
///
/// # Errors
/// If the engine cannot be observed.
pub async fn until_converged_on<E: Engine, A: AsyncFn(&Observed, &Plan) -> bool>(
    engine: &E,
    graph: &Graph,
    mut options: Options,
    terms: Terms<'_, A>,
    on_event: OnEvent<'_>,
    stop: &CancellationToken,
) -> Result<Outcome, EngineError> {
    let Terms { claims, on_failure, agrees } = terms;
    let mut progress = Progress::default();
    let mut plan = Plan::default();
    for round in 1..=MAX_ROUNDS {
        let observed = observe_with(engine, graph, &options.registry).await?;
        if round == 1 {
            progress.first = observed.containers.is_empty() && observed.networks.is_empty();
        }
        warn_of_dropped(graph, &observed, &options, &mut progress, on_event);
        let avoid = [&options.avoid[..], &claims.beside(&graph.run.id)].concat();
        let mut now = Options { avoid, ..options.clone() };
        plan = if round == 1 {
            proof::plan(engine, graph, &observed, &mut now).await
        } else {
            compute(graph, &observed, &now)
        };
        options.proven = now.proven;
        // A moved tag that still refers to the container's image replaces nothing.
        plan = plan.first_pulls().unwrap_or(plan);
        claims.note(&graph.run.id, &plan);
        if plan.is_empty() {
            match prove(engine, graph, &observed, on_event).await? {
                Proven::Yes => return Ok(Outcome::Converged { observed, changed: progress.changed }),
                Proven::No(report) => {
                    return failed(engine, graph, &options, report, &progress, on_failure, on_event).await;
                }
                Proven::Outdated => continue,
            }
        }
        let refused = refused(graph, &observed, &plan);
        if !refused.is_empty() {
            let report = Report { failures: refused, ..Report::default() };
            return failed(engine, graph, &options, report, &progress, on_failure, on_event).await;
        }
        if round == 1 && !agrees(&observed, &plan).await {
            return Ok(Outcome::Interrupted { remaining: observed });
        }
        if let Some((id, failure)) = exited_since(engine, graph, &observed, &plan, &progress).await? {
            let report = Report { failures: vec![(id, failure)], ..Report::default() };
            return failed(engine, graph, &options, report, &progress, on_failure, on_event).await;
        }
        on_event(Event::Planned { run: &graph.run, round, plan: &plan });
        let span = tracing::debug_span!("round", run = %graph.run.id, n = round);
        span.in_scope(|| tracing::debug!(operations = plan.operations.len(), "planned"));
        let mut report = execute(engine, &plan, on_event, stop).instrument(span).await;
        progress.changed |= plan.changes();
        progress.created.append(&mut report.created);
        progress.stopped.extend(stopped(&plan, &report));
        progress.proven.extend(report.proven.iter().cloned());
        options.proven.append(&mut report.proven);
        let mut updated = updated(&plan, &report);
        options.updated.append(&mut updated);
        options.restart.retain(|container| !was_restarted(container, &plan, &report));
        let mut answered = avoid_refused(&plan, &report, &mut options);
        answered.append(&mut avoid_taken_ports(&plan, &observed, &report, &mut options));
        answered.append(&mut restart_unready(graph, &plan, &report, &mut options));
        if stop.is_cancelled() {
            return interrupted(engine, graph, &progress, on_failure, on_event).await;
        }
        let gives_up = round == MAX_ROUNDS || !another_round_may_help(&report, &mut progress, &answered);
        if !report.succeeded() && gives_up {
            return failed(engine, graph, &options, report, &progress, on_failure, on_event).await;
        }
    }
    Ok(Outcome::OutOfBudget { plan })
}

/// A range that the engine refused is in use, though no list shows it. The next round takes another one.
/// Returns the failures that this handles.
fn avoid_refused(plan: &Plan, report: &Report, options: &mut Options) -> BTreeSet<OpId> {
    let mut answered = BTreeSet::new();
    for (id, failure) in &report.failures {
        if let (Some(Fault::Subnet), Some(Action::CreateNetwork { subnet: Some(subnet), .. })) =
            (failure.fault, plan.operations.get(id.0).map(|operation| &operation.action))
        {
            // A range of the spec would be refused again.
            if !options.avoid.contains(subnet) {
                options.avoid.push(*subnet);
                answered.insert(*id);
            }
        }
    }
    answered
}

/// A chosen port that turned out to be in use. The next round recreates the container with another one.
/// Returns the failures that this handles.
fn avoid_taken_ports(plan: &Plan, observed: &Observed, report: &Report, options: &mut Options) -> BTreeSet<OpId> {
    let mut answered = BTreeSet::new();
    for (id, failure) in &report.failures {
        let Some(operation) = plan.operations.get(id.0).filter(|_| failure.fault == Some(Fault::Port)) else {
            continue;
        };
        let chosen: Vec<u16> = match &operation.action {
            Action::StartContainer { container: Handle::From(created) } => {
                let created = plan.operations.get(created.0).map(|operation| &operation.action);
                let Some(Action::CreateContainer { labels, .. }) = created else { continue };
                Ownership::read(labels).into_iter().flat_map(|owner| owner.ports.into_values()).collect()
            }
            Action::StartContainer { container: Handle::Known(container) } => {
                let facts = observed.containers.iter().find(|facts| facts.id == *container);
                facts.and_then(|facts| facts.owner.clone()).into_iter().flat_map(|it| it.ports.into_values()).collect()
            }
            _ => continue,
        };
        let before = options.avoid_ports.len();
        options.avoid_ports.extend(chosen);
        if options.avoid_ports.len() > before {
            answered.insert(*id);
        }
    }
    answered
}

/// Executes a requested restart once.
fn was_restarted(container: &ContainerId, plan: &Plan, report: &Report) -> bool {
    let restarts = plan.operations.iter().filter(|operation| match &operation.action {
        Action::RestartContainer { container: it } | Action::StartContainer { container: Handle::Known(it) } => {
            it == container
        }
        _ => false,
    });
    restarts.map(|operation| operation.id).any(|id| report.has_done(id))
}

/// Containers whose limits were updated.
fn updated(plan: &Plan, report: &Report) -> BTreeSet<ContainerId> {
    let done = plan.operations.iter().filter(|operation| report.has_done(operation.id));
    let container = |operation: &Operation| match &operation.action {
        Action::UpdateContainer { container, .. } => Some(container.clone()),
        _ => None,
    };
    done.filter_map(container).collect()
}

/// Warns once about limits that the engine drops; they are not set again.
fn warn_of_dropped(
    graph: &Graph,
    observed: &Observed,
    options: &Options,
    progress: &mut Progress,
    on_event: OnEvent<'_>,
) {
    if progress.reported_dropped {
        return;
    }
    let created = &progress.created;
    let is_changed = |it: &ContainerFacts| options.updated.contains(&it.id) || created.contains(it.id.as_str());
    for (name, limits) in moat_plan::dropped(graph, observed, is_changed) {
        let message = format!("the engine drops limits of `{name}`: {}", limits.join(", "));
        on_event(Event::Warning {
            run: &graph.run,
            message: &message,
            hint: "`moat doctor` shows which limits it has",
        });
        progress.reported_dropped = true;
    }
}

/// Containers that were stopped to make room.
fn stopped(plan: &Plan, report: &Report) -> Vec<ContainerId> {
    let stops = plan.operations.iter().filter(|operation| report.has_done(operation.id));
    let container = |operation: &Operation| match &operation.action {
        Action::StopContainer { container, .. } => Some(container.clone()),
        _ => None,
    };
    stops.filter_map(container).collect()
}

/// A command that was running at the start of the apply and has failed since. It is not rerun: that is
/// the decision of the user, who sees its output.
async fn exited_since<E: Engine>(
    engine: &E,
    graph: &Graph,
    observed: &Observed,
    plan: &Plan,
    progress: &Progress,
) -> Result<Option<(OpId, Failure)>, EngineError> {
    let is_run = |facts: &ContainerFacts| {
        let node = facts.owner.as_ref().and_then(|owner| graph.node(&owner.resource));
        node.is_some_and(Node::may_complete)
    };
    let ended = observed.containers.iter().filter(|facts| facts.state == ContainerState::Exited);
    for facts in ended.filter(|facts| progress.proven.contains(&facts.id) && is_run(facts)) {
        let asks = |operation: &&Operation| matches!(&operation.action, Action::AwaitReady { container: Handle::Known(it), .. } if *it == facts.id);
        if let Some(operation) = plan.operations.iter().find(asks) {
            return Ok(Some((operation.id, execute::failure::exited_since(engine, operation, &facts.id).await?)));
        }
    }
    Ok(None)
}

/// A running container that was not ready in time will not become ready without a restart. Nor will an existing one
/// with files, in any state: it may have been started without them. The next round restarts it.
/// Returns the failures that this handles.
fn restart_unready(graph: &Graph, plan: &Plan, report: &Report, options: &mut Options) -> BTreeSet<OpId> {
    let mut answered = BTreeSet::new();
    // Of one that has lost its network nothing is known: it is connected first.
    let waited_in_vain = report.failures.iter().filter(|(_, failure)| failure.fault != Some(Fault::Conflict));
    for (id, _) in waited_in_vain {
        let Some(Operation { action: Action::AwaitReady { container, .. }, cause, resource, .. }) =
            plan.operations.get(id.0)
        else {
            continue;
        };
        let ran_on = matches!(cause, Cause::Unproven | Cause::NotRunning { state: ContainerState::Paused, .. });
        let has_files = graph
            .node(resource)
            .is_some_and(|node| matches!(&node.config, Config::Container(config) if !config.files.is_empty()));
        if let Handle::Known(container) = container
            && (ran_on || has_files)
            && options.unready.insert(container.clone())
        {
            answered.insert(*id);
        }
    }
    answered
}

/// A conflict means that the engine's state has changed since the observation; the same one twice means the opposite. A
/// lost answer does not show whether the call was executed: the next observation shows whether the engine is reachable,
/// and its state.
fn another_round_may_help(report: &Report, progress: &mut Progress, answered: &BTreeSet<OpId>) -> bool {
    let failures: Vec<Failure> = report.failures.iter().map(|(_, failure)| failure.clone()).collect();
    let moved = |failure: &Failure| {
        use Fault::{Busy, Conflict, InUse, NotFound, Subnet, TimedOut, Unreachable};
        matches!(failure.fault, Some(Busy | Conflict | NotFound | InUse | TimedOut | Unreachable | Subnet))
    };
    let passes = report.failures.iter().all(|(id, failure)| answered.contains(id) || moved(failure));
    let again = passes && (!answered.is_empty() || failures != progress.failed);
    progress.failed = failures;
    again
}

async fn failed<E: Engine>(
    engine: &E,
    graph: &Graph,
    options: &Options,
    report: Report,
    progress: &Progress,
    on_failure: OnFailure,
    on_event: OnEvent<'_>,
) -> Result<Outcome, EngineError> {
    let failures: Vec<Failure> = report.failures.into_iter().map(|(_, failure)| failure).collect();
    let recovered = match on_failure {
        OnFailure::Keep => Recovered::default(),
        // An unreachable engine cannot be cleaned up, and the lost connection is the error to report.
        _ if failures.iter().any(|it| it.fault == Some(Fault::Unreachable)) => Recovered::default(),
        OnFailure::Undo if progress.first => recover::undo(engine, graph, &progress.created, on_event).await?,
        OnFailure::Undo | OnFailure::Restore => {
            recover::restore(engine, graph, options, &progress.stopped, on_event).await?
        }
    };
    Ok(Outcome::Failed { failures, undone: recovered.whole, undid: recovered.done })
}

async fn interrupted<E: Engine>(
    engine: &E,
    graph: &Graph,
    progress: &Progress,
    on_failure: OnFailure,
    on_event: OnEvent<'_>,
) -> Result<Outcome, EngineError> {
    if progress.first && on_failure == OnFailure::Undo {
        recover::undo(engine, graph, &progress.created, on_event).await?;
    }
    Ok(Outcome::Interrupted { remaining: observe(engine, graph).await? })
}

//! One round of one agent: an observation and, if there is something to do, the lock and an apply.
//!
//! Independent of other agents and of earlier rounds.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::host::Host;
use super::recorded::RecordedEngine;
use crate::observe::sessions::sessions;
use crate::observe::{network, observe};
use crate::reconcile::{Claims, OnFailure, Outcome, until_converged};
use moat_model::engine::{Engine, EngineError, Fault};
use moat_model::graph::Graph;
use moat_model::resource::ResourceId;
use moat_model::state::Observed;
use moat_plan::event::{Event, Failure, Trigger};
use moat_plan::{Action, Cause, Operation, Options, Plan, compute};

/// The log lines of a paused container, enough to show why it exits.
const LOG_LINES: u32 = 10;

/// The state that all rounds of a watch share.
pub(super) struct RoundContext<'a, E, D> {
    pub engine: &'a E,
    pub host: &'a D,
    pub claims: Claims,
    pub stop: &'a CancellationToken,
}

/// The request for a round.
pub(super) struct RoundRequest {
    pub agent: usize,
    pub graph: Graph,
    pub options: Options,
    pub trigger: Trigger,
    /// What is known about the network policy.
    pub policy: PolicyProof,
    /// The policy is proven even if nothing is changed.
    pub proves: bool,
    /// The changes of the spec have been reported already.
    pub is_reported: bool,
    /// Do not wait for sessions of users.
    pub now: bool,
}

/// Whether the network policy is in force, as seen from the main container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum PolicyProof {
    #[default]
    Unknown,
    /// It is, or there is none, or it cannot be proven.
    Holds,
    Failed,
}

/// The outcome.
pub(super) struct Report {
    pub agent: usize,
    pub end: End,
    pub notes: RoundStats,
    pub took: Duration,
}

/// Observations on the way.
#[derive(Debug, Default)]
pub(super) struct RoundStats {
    /// Resources that had drifted without a change of the spec.
    pub repaired: BTreeSet<ResourceId>,
    /// Paused resources that need a repair, with their last log lines.
    pub withheld: BTreeMap<ResourceId, Vec<String>>,
    /// The number of sessions that block operations.
    pub sessions: usize,
    /// Whether something was changed or tried.
    pub worked: bool,
    /// Whether the policy was proven after the last change.
    pub proven: bool,
}

pub(super) enum End {
    /// The run is in sync, apart from paused resources.
    Settled(Box<Observed>),
    /// With the resources whose working container was stopped and restored.
    Failed(Vec<Failure>, BTreeSet<ResourceId>),
    /// The run did not converge.
    NotConverged,
    /// Another moat process holds the lock; its description.
    Locked(String),
    NoEngine(EngineError),
    Interrupted,
}

pub(super) async fn round<E: Engine, D: Host>(around: &RoundContext<'_, E, D>, order: RoundRequest) -> Report {
    let began = Instant::now();
    let mut notes = RoundStats::default();
    let end = run(around, &order, &mut notes).await.unwrap_or_else(End::NoEngine);
    Report { agent: order.agent, end, notes, took: began.elapsed() }
}

async fn run<E: Engine, D: Host>(
    around: &RoundContext<'_, E, D>,
    order: &RoundRequest,
    notes: &mut RoundStats,
) -> Result<End, EngineError> {
    let (engine, graph) = (around.engine, &order.graph);
    let mut options = order.options.clone();
    let observed = observe(engine, graph).await?;
    notes.withheld = withheld(engine, graph, &observed, &options).await?;
    let mut plan = compute(graph, &observed, &options);
    let main = ResourceId::main();
    if !order.now && plan.interrupts(&main) {
        notes.sessions = sessions(engine, graph, &observed).await?;
        if notes.sessions > 0 {
            options.leave.insert(main);
            plan = compute(graph, &observed, &options);
        }
    }
    if plan.is_empty() {
        let has_policy = network::digest(graph).is_some();
        notes.proven = !has_policy;
        if !(has_policy && order.proves) {
            return Ok(End::Settled(Box::new(observed)));
        }
    }
    let _lock = match around.host.lock(&graph.run).await {
        Ok(lock) => lock,
        Err(who) => return Ok(End::Locked(who)),
    };
    apply(around, order, options, notes).await
}

/// Applies and reports. Plans with proofs only are not reported: they change nothing.
async fn apply<E: Engine, D: Host>(
    around: &RoundContext<'_, E, D>,
    order: &RoundRequest,
    options: Options,
    notes: &mut RoundStats,
) -> Result<End, EngineError> {
    let RoundContext { engine, host, claims, stop } = around;
    let RoundRequest { agent, graph, trigger, policy, is_reported, .. } = order;
    let (repaired, quiet, worked) = (RefCell::new(BTreeSet::new()), Cell::new(true), Cell::new(false));
    let recorded = host.recorded(*engine, graph);
    let woken = || host.report(Some(*agent), Event::Woken { run: &graph.run, trigger, is_reported: *is_reported });
    // A user who was warned once that nothing can be proven is not warned by each periodic proof.
    let is_periodic = matches!(trigger, Trigger::Resync | Trigger::Retry);
    let on_event = |event: Event<'_>| {
        recorded.note(&event);
        if let Event::Planned { plan, .. } = &event {
            repaired.borrow_mut().extend(repairs(plan));
            quiet.set(!plan.changes());
            if !quiet.get() && !worked.replace(true) {
                woken();
            }
        }
        let is_warning = matches!(event, Event::Warning { .. }) && (worked.get() || !is_periodic);
        if !quiet.get() || is_warning || matches!(event, Event::Undoing { .. }) {
            host.report(Some(*agent), event);
        }
    };
    let outcome = until_converged(&recorded, graph, options, claims, OnFailure::Restore, &on_event, stop).await?;
    notes.repaired = repaired.into_inner();
    notes.worked = worked.get();
    notes.proven = matches!(outcome, Outcome::Converged { .. });
    let has_failed = matches!(outcome, Outcome::Failed { .. });
    if !notes.worked && (has_failed || (notes.proven && *policy == PolicyProof::Failed)) {
        woken();
    }
    match &outcome {
        Outcome::Converged { observed, .. } => host.left(*agent, graph, observed, &[]).await,
        // An observation shows the state after a failure; without one, the history stays unchanged.
        Outcome::Failed { failures, .. } => {
            if let Ok(observed) = observe(&recorded, graph).await {
                host.left(*agent, graph, &observed, failures).await;
            }
        }
        Outcome::OutOfBudget { .. } | Outcome::Interrupted { .. } => {}
    }
    Ok(match outcome {
        Outcome::Converged { observed, .. } => End::Settled(Box::new(observed)),
        Outcome::Failed { failures, undid, .. } => {
            match failures.iter().find(|it| it.fault == Some(Fault::Unreachable)) {
                Some(failure) => End::NoEngine(EngineError::new(Fault::Unreachable, failure.message.clone())),
                None => End::Failed(failures, restored_containers(&undid)),
            }
        }
        Outcome::OutOfBudget { .. } => End::NotConverged,
        Outcome::Interrupted { .. } => End::Interrupted,
    })
}

/// Containers that were stopped for a replacement and run again.
fn restored_containers(undid: &[Operation]) -> BTreeSet<ResourceId> {
    let starts = |operation: &&Operation| matches!(operation.action, Action::StartContainer { .. });
    undid.iter().filter(starts).map(|operation| operation.resource.clone()).collect()
}

/// The operations on the paused resources.
async fn withheld<E: Engine>(
    engine: &E,
    graph: &Graph,
    observed: &Observed,
    options: &Options,
) -> Result<BTreeMap<ResourceId, Vec<String>>, EngineError> {
    let mut withheld = BTreeMap::new();
    if options.leave.is_empty() {
        return Ok(withheld);
    }
    let all = Options { leave: BTreeSet::new(), ..options.clone() };
    for operation in compute(graph, observed, &all).operations {
        let resource = operation.resource;
        if !options.leave.contains(&resource) || withheld.contains_key(&resource) {
            continue;
        }
        let log = match observed.containers_of(&resource).last() {
            // Without its output the resource is still paused.
            Some(facts) => engine.log_tail(&facts.id, LOG_LINES).await.unwrap_or_default(),
            None => Vec::new(),
        };
        withheld.insert(resource, log);
    }
    Ok(withheld)
}

/// The resources that a plan repairs, as opposed to changes of the spec.
fn repairs(plan: &Plan) -> BTreeSet<ResourceId> {
    let mends = |cause: &Cause| {
        use Cause::{DeadNetwork, Disconnected, HalfDone, Missing, NotRunning, OtherNetwork, Unhealthy};
        matches!(cause, Missing | HalfDone | NotRunning { .. } | Unhealthy | Disconnected | OtherNetwork | DeadNetwork)
    };
    let mending = plan.operations.iter().filter(|it| it.action.changes() && mends(&it.cause));
    mending.map(|it| it.resource.clone()).collect()
}

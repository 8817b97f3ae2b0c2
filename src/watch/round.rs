//! One round of one agent: a look, and if there is something to do, the lock and an apply.
//!
//! Knows nothing of other agents, nor of the rounds before.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::host::Host;
use crate::audit::engine::Audited;
use crate::observe::observe;
use crate::observe::sessions::sessions;
use crate::reconcile::{Claims, OnFailure, Outcome, until_converged};
use moat_model::engine::{Engine, EngineError, Fault};
use moat_model::graph::Graph;
use moat_model::resource::ResourceId;
use moat_model::state::Observed;
use moat_plan::event::{Event, Failure, Trigger};
use moat_plan::{Action, Cause, Operation, Options, Plan, compute};

/// Lines of the output of a container that is left alone: what a person needs to see why it ends.
const LOG_LINES: u32 = 10;

/// What all rounds of a watch share.
pub(super) struct Around<'a, E, D> {
    pub engine: &'a E,
    pub desk: &'a D,
    pub claims: Claims,
    pub stop: &'a CancellationToken,
}

/// What a round is to do.
pub(super) struct RoundRequest {
    pub agent: usize,
    pub graph: Graph,
    pub options: Options,
    pub trigger: Trigger,
    /// It was told already, as what has changed in the spec.
    pub is_told: bool,
    /// Sessions of people do not keep it from anything.
    pub now: bool,
}

/// What came of it.
pub(super) struct Report {
    pub agent: usize,
    pub end: End,
    pub notes: RoundStats,
    pub took: Duration,
}

/// What was seen on the way.
#[derive(Debug, Default)]
pub(super) struct RoundStats {
    /// Resources that were not as wanted, though nobody had wanted them otherwise.
    pub repaired: BTreeSet<ResourceId>,
    /// Resources that would be repaired if they were not left alone, with the end of their output.
    pub withheld: BTreeMap<ResourceId, Vec<String>>,
    /// How many sessions something waits for.
    pub sessions: usize,
    /// Something was changed, or tried.
    pub worked: bool,
}

pub(super) enum End {
    /// The world is as wanted, apart from what is left alone.
    Settled(Box<Observed>),
    /// With the resources of which something that worked had to make room, and was put back.
    Failed(Vec<Failure>, BTreeSet<ResourceId>),
    /// Each look found something else.
    Restless,
    /// Another moat has the lock; who.
    Locked(String),
    NoEngine(EngineError),
    Interrupted,
}

pub(super) async fn round<E: Engine, D: Host>(around: &Around<'_, E, D>, order: RoundRequest) -> Report {
    let began = Instant::now();
    let mut notes = RoundStats::default();
    let end = run(around, &order, &mut notes).await.unwrap_or_else(End::NoEngine);
    Report { agent: order.agent, end, notes, took: began.elapsed() }
}

async fn run<E: Engine, D: Host>(
    around: &Around<'_, E, D>,
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
        return Ok(End::Settled(Box::new(observed)));
    }
    let _lock = match around.desk.lock(&graph.run).await {
        Ok(lock) => lock,
        Err(who) => return Ok(End::Locked(who)),
    };
    apply(around, order, options, notes).await
}

/// Applies, and tells of it. Proofs alone are not told: nothing is different for them.
async fn apply<E: Engine, D: Host>(
    around: &Around<'_, E, D>,
    order: &RoundRequest,
    options: Options,
    notes: &mut RoundStats,
) -> Result<End, EngineError> {
    let Around { engine, desk, claims, stop } = around;
    let RoundRequest { agent, graph, trigger, is_told, .. } = order;
    let (repaired, quiet, worked) = (RefCell::new(BTreeSet::new()), Cell::new(true), Cell::new(false));
    let audited = Audited::of(*engine, desk.record(), graph);
    let tell = |event: Event<'_>| {
        audited.note(&event);
        if let Event::Planned { plan, .. } = &event {
            repaired.borrow_mut().extend(repairs(plan));
            quiet.set(!plan.changes());
            if !quiet.get() && !worked.replace(true) {
                desk.tell(Some(*agent), Event::Woken { run: &graph.run, trigger, is_told: *is_told });
            }
        }
        if !quiet.get() || matches!(event, Event::Undoing { .. } | Event::Warning { .. }) {
            desk.tell(Some(*agent), event);
        }
    };
    let outcome = until_converged(&audited, graph, options, claims, OnFailure::Restore, &tell, stop).await?;
    notes.repaired = repaired.into_inner();
    notes.worked = worked.get();
    match &outcome {
        Outcome::Converged { observed, .. } => desk.left(*agent, graph, observed, &[]).await,
        // How things are after a failure shows when they are looked at; if not, the record stays as it was.
        Outcome::Failed { failures, .. } => {
            if let Ok(observed) = observe(&audited, graph).await {
                desk.left(*agent, graph, &observed, failures).await;
            }
        }
        Outcome::OutOfBudget { .. } | Outcome::Interrupted { .. } => {}
    }
    Ok(match outcome {
        Outcome::Converged { observed, .. } => End::Settled(Box::new(observed)),
        Outcome::Failed { failures, undid, .. } => {
            match failures.iter().find(|it| it.fault == Some(Fault::Unreachable)) {
                Some(failure) => End::NoEngine(EngineError::new(Fault::Unreachable, failure.message.clone())),
                None => End::Failed(failures, put_back(&undid)),
            }
        }
        Outcome::OutOfBudget { .. } => End::Restless,
        Outcome::Interrupted { .. } => End::Interrupted,
    })
}

/// What runs again that had been stopped for something else.
fn put_back(undid: &[Operation]) -> BTreeSet<ResourceId> {
    let starts = |operation: &&Operation| matches!(operation.action, Action::StartContainer { .. });
    undid.iter().filter(starts).map(|operation| operation.resource.clone()).collect()
}

/// What would be done to the resources that are left alone.
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
            // Without its output it is still left alone.
            Some(facts) => engine.log_tail(&facts.id, LOG_LINES).await.unwrap_or_default(),
            None => Vec::new(),
        };
        withheld.insert(resource, log);
    }
    Ok(withheld)
}

/// The resources that a plan mends, as against those that somebody wants otherwise.
fn repairs(plan: &Plan) -> BTreeSet<ResourceId> {
    let mends = |cause: &Cause| {
        use Cause::{DeadNetwork, Disconnected, HalfDone, Missing, NotRunning, Unhealthy};
        matches!(cause, Missing | HalfDone | NotRunning { .. } | Unhealthy | Disconnected | DeadNetwork)
    };
    let mending = plan.operations.iter().filter(|it| it.action.changes() && mends(&it.cause));
    mending.map(|it| it.resource.clone()).collect()
}

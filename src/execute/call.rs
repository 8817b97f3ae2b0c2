//! One operation is one engine call, with a deadline; retried only after transient faults.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::failure::{CallFailure, explain};
use super::ready;
use moat_model::engine::{Change, Created, Engine, EngineError, Fault, Progress};
use moat_model::resource::{ContainerId, ImageDigest, ImageRef, NetworkId};
use moat_plan::event::{Event, Failure, OnEvent};
use moat_plan::{Action, Handle, OpId, Operation};

/// The result of a successful operation, for its dependents.
#[derive(Debug, Clone)]
pub(super) enum Output {
    Created(Created),
    /// The container is ready.
    Proof(ContainerId),
}

/// The pauses before retries: an engine that is still cleaning up is done within a second or two.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// Makes the call of `operation`; `known` has the outputs of earlier operations.
pub(super) async fn call<E: Engine>(
    engine: &E,
    operation: &Operation,
    known: BTreeMap<OpId, Output>,
    on_event: OnEvent<'_>,
    stop: &CancellationToken,
) -> Result<Output, Box<Failure>> {
    let Operation { id, action, resource, .. } = operation;
    let span = tracing::debug_span!("operation", %id, action = action.verb(), %resource);
    let work = async {
        let begun = Instant::now();
        let made = until_done(engine, operation, known, on_event, stop).await;
        let status = if made.is_ok() { "done" } else { "failed" };
        tracing::debug!(status, ms = begun.elapsed().as_millis(), "operation");
        made
    };
    work.instrument(span).await
}

/// Retries the call after transient faults.
async fn until_done<E: Engine>(
    engine: &E,
    operation: &Operation,
    known: BTreeMap<OpId, Output>,
    on_event: OnEvent<'_>,
    stop: &CancellationToken,
) -> Result<Output, Box<Failure>> {
    let mut attempt = 0;
    loop {
        let deadline = operation.action.deadline();
        let why = match timeout(deadline, once(engine, operation, &known, on_event, stop)).await {
            Ok(Ok(made)) => return Ok(made),
            Ok(Err(why)) => why,
            Err(_) => {
                let message = format!("no answer within {} s", deadline.as_secs());
                CallFailure::Engine(EngineError::new(Fault::TimedOut, message))
            }
        };
        match (&why, PAUSES.get(attempt)) {
            (CallFailure::Engine(error), Some(pause)) if may_pass(&operation.action, error) => {
                attempt += 1;
                let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
                on_event(Event::Retrying { operation, error: &error.message, attempt, pause: *pause });
                sleep(*pause).await;
            }
            _ => return Err(Box::new(explain(engine, operation, container_of(operation, &known).as_ref(), why).await)),
        }
    }
}

/// Whether a fault is transient, and the engine has certainly not executed the call.
///
/// Not `Engine`: this is also the answer to starting a container that cannot start, and is the same
/// the next time. Nor a lost answer (`Unreachable`, `TimedOut`): the call may have succeeded, and a second
/// one would be refused, or executed twice. The next round observes the result.
fn may_pass(action: &Action, error: &EngineError) -> bool {
    if error.fault == Fault::Busy {
        return true;
    }
    match action {
        // Endpoints and mounts disappear a moment after their container.
        Action::RemoveNetwork { .. } | Action::RemoveVolume => error.fault == Fault::InUse,
        // A name stays reserved for a moment after its container is removed.
        Action::CreateContainer { .. } | Action::RenameContainer { .. } => error.fault == Fault::Conflict,
        _ => false,
    }
}

/// The container whose start or readiness `operation` is about, if it is known.
fn container_of(operation: &Operation, known: &BTreeMap<OpId, Output>) -> Option<ContainerId> {
    match &operation.action {
        Action::StartContainer { container } | Action::AwaitReady { container, .. } => {
            resolve_container(container.clone(), known).ok()
        }
        _ => None,
    }
}

async fn once<E: Engine>(
    engine: &E,
    operation: &Operation,
    known: &BTreeMap<OpId, Output>,
    on_event: OnEvent<'_>,
    stop: &CancellationToken,
) -> Result<Output, CallFailure> {
    let change =
        operation.change(|handle| resolve_container(handle, known), |handle| resolve_network(handle, known))?;
    match (change, &operation.action) {
        (None, Action::AwaitReady { container, probe, failures, may_complete, beside, .. }) => {
            let container = resolve_container(container.clone(), known)?;
            let ends = ready::ExitPolicy { failures, may_complete: *may_complete };
            let ready = ready::wait(engine, &container, probe, ends, stop);
            ready::beside(engine, &container, beside.as_deref(), ready).await?;
            Ok(Output::Proof(container))
        }
        (None, _) => Ok(Output::Created(Created::Nothing)),
        (Some(change), action) => {
            let made = make(engine, &change, operation, on_event, stop).await?;
            if let Action::PullImage { reference, digest: Some(planned), .. } = action {
                pulled_as_planned(engine, reference, planned).await?;
            }
            Ok(Output::Created(made))
        }
    }
}

/// Makes a change. An interrupt cancels a pull or a build, which may take minutes; the engine keeps the layers so far,
/// and cancels a build whose client disconnects.
async fn make<E: Engine>(
    engine: &E,
    change: &Change,
    operation: &Operation,
    on_event: OnEvent<'_>,
    stop: &CancellationToken,
) -> Result<Created, CallFailure> {
    let progress = |progress: Progress<'_>| match progress {
        Progress::Pulled(progress) => on_event(Event::Progress { operation, progress }),
        Progress::Step(words) => on_event(Event::Step { operation, step: words }),
    };
    let made = engine.change(change, &progress);
    if !matches!(change, Change::Pull { .. } | Change::Build(_)) {
        return Ok(made.await?);
    }
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(CallFailure::Interrupted),
        made = made => Ok(made?),
    }
}

/// Checks the digest of a pulled image: the tag may have moved since the plan, and only planned images are run.
async fn pulled_as_planned<E: Engine>(
    engine: &E,
    reference: &ImageRef,
    planned: &ImageDigest,
) -> Result<(), EngineError> {
    let came = engine.image(reference).await?.map(|facts| facts.digests).unwrap_or_default();
    if came.contains(planned) {
        return Ok(());
    }
    let came = came.first().map_or("an unknown image", ImageDigest::short);
    let message = format!("`{reference}` moved again: planned {}, got {came}", planned.short());
    Err(EngineError::new(Fault::Pull, message).hint("run the command again to plan with the new image"))
}

fn resolve_container(handle: Handle<ContainerId>, known: &BTreeMap<OpId, Output>) -> Result<ContainerId, EngineError> {
    match handle {
        Handle::Known(id) => Ok(id),
        Handle::From(op) => match known.get(&op) {
            Some(Output::Created(Created::Container(id))) => Ok(id.clone()),
            _ => Err(missing_output(op)),
        },
    }
}

fn resolve_network(handle: Handle<NetworkId>, known: &BTreeMap<OpId, Output>) -> Result<NetworkId, EngineError> {
    match handle {
        Handle::Known(id) => Ok(id),
        Handle::From(op) => match known.get(&op) {
            Some(Output::Created(Created::Network(id))) => Ok(id.clone()),
            _ => Err(missing_output(op)),
        },
    }
}

/// A plan with a handle to an operation that is not required. The plan checker rejects such plans.
fn missing_output(op: OpId) -> EngineError {
    EngineError::new(Fault::Refused, format!("the plan uses the result of operation {op} without requiring it"))
}

//! One operation is one engine call, with a deadline; retried only after transient faults.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::failure::{self, explain};
use super::{Report, ready};
use moat_model::engine::{ContainerCreate, Engine, EngineError, Fault, NetworkCreate, VolumeCreate};
use moat_model::resource::{ContainerId, ImageDigest, ImageRef, NetworkId};
use moat_plan::event::{Event, Failure, Tell};
use moat_plan::{Action, Handle, OpId, Operation};

/// The result of a successful call, for its dependents.
#[derive(Debug, Clone)]
pub(super) enum Output {
    Nothing,
    Container(ContainerId),
    Network(NetworkId),
    Volume(String),
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

impl Output {
    pub(super) fn note(&self, report: &mut Report) {
        match self {
            Self::Nothing => {}
            Self::Container(id) => {
                report.created.insert(id.to_string());
            }
            Self::Network(id) => {
                report.created.insert(id.to_string());
            }
            Self::Volume(name) => {
                report.created.insert(name.clone());
            }
            Self::Proof(id) => {
                report.proven.insert(id.clone());
            }
        }
    }
}

/// Makes the call of `operation`; `known` has the outputs of earlier operations.
pub(super) async fn call<E: Engine>(
    engine: &E,
    operation: &Operation,
    known: BTreeMap<OpId, Output>,
    tell: Tell<'_>,
    stop: &CancellationToken,
) -> Result<Output, Box<Failure>> {
    let Operation { id, action, resource, .. } = operation;
    let span = tracing::debug_span!("operation", %id, action = action.verb(), %resource);
    let work = async {
        let begun = Instant::now();
        let made = until_done(engine, operation, known, tell, stop).await;
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
    tell: Tell<'_>,
    stop: &CancellationToken,
) -> Result<Output, Box<Failure>> {
    let mut attempt = 0;
    loop {
        let deadline = operation.action.deadline();
        let why = match timeout(deadline, once(engine, operation, &known, tell, stop)).await {
            Ok(Ok(made)) => return Ok(made),
            Ok(Err(why)) => why,
            Err(_) => {
                let message = format!("no answer within {} s", deadline.as_secs());
                failure::CallFailure::Engine(EngineError::new(Fault::TimedOut, message))
            }
        };
        match (&why, PAUSES.get(attempt)) {
            (failure::CallFailure::Engine(error), Some(pause)) if may_pass(&operation.action, error) => {
                attempt += 1;
                let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
                tell(Event::Retrying { operation, error: &error.message, attempt, pause: *pause });
                sleep(*pause).await;
            }
            _ => return Err(Box::new(explain(engine, operation, &known, why).await)),
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

/// The container of `operation`, if it is known.
pub(super) fn container_of(operation: &Operation, known: &BTreeMap<OpId, Output>) -> Option<ContainerId> {
    match &operation.action {
        Action::UploadFiles { container, .. }
        | Action::StartContainer { container }
        | Action::AwaitReady { container, .. }
        | Action::RenameContainer { container, .. } => resolve_container(container, known).ok(),
        Action::UpdateContainer { container, .. }
        | Action::UnpauseContainer { container }
        | Action::RestartContainer { container }
        | Action::StopContainer { container, .. }
        | Action::ConnectNetwork { container, .. }
        | Action::RemoveContainer { container } => Some(container.clone()),
        _ => None,
    }
}

async fn once<E: Engine>(
    engine: &E,
    operation: &Operation,
    known: &BTreeMap<OpId, Output>,
    tell: Tell<'_>,
    stop: &CancellationToken,
) -> Result<Output, failure::CallFailure> {
    let name = operation.name.clone();
    match &operation.action {
        Action::PullImage { reference, digest } => {
            let tell_progress = |progress| tell(Event::Progress { operation, progress });
            // A pull may take minutes, and the engine keeps the layers so far: an interrupt does not wait for it.
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(failure::CallFailure::Interrupted),
                pulled = engine.pull(reference, &tell_progress) => pulled?,
            }
            if let Some(planned) = digest {
                came_as_planned(engine, reference, planned).await?;
            }
        }
        Action::BuildImage { build } => {
            let tell_step = |step: &str| tell(Event::Step { operation, step });
            // The engine cancels a build whose client disconnects.
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(failure::CallFailure::Interrupted),
                built = engine.build(build, &tell_step) => built?,
            }
        }
        Action::CreateNetwork { labels, internal, subnet } => {
            let create = NetworkCreate { name, labels: labels.clone(), internal: *internal, subnet: *subnet };
            return Ok(Output::Network(engine.create_network(&create).await?));
        }
        Action::CreateVolume { labels } => {
            engine.create_volume(&VolumeCreate { name: name.clone(), labels: labels.clone() }).await?;
            return Ok(Output::Volume(name));
        }
        Action::CreateContainer { labels, config, network, mounts, ports } => {
            let network = resolve_network(network, known)?;
            let (labels, mounts, ports) = (labels.clone(), mounts.clone(), ports.clone());
            let create = ContainerCreate { name, labels, config: (**config).clone(), network, mounts, ports };
            return Ok(Output::Container(engine.create_container(&create).await?));
        }
        Action::UploadFiles { container, files } => {
            engine.upload(&resolve_container(container, known)?, files).await?;
        }
        Action::StartContainer { container } => engine.start(&resolve_container(container, known)?).await?,
        Action::AwaitReady { container, probe, failures, may_complete, .. } => {
            let container = resolve_container(container, known)?;
            let ends = ready::ExitPolicy { failures, may_complete: *may_complete };
            ready::wait(engine, &container, probe, ends, stop).await?;
            return Ok(Output::Proof(container));
        }
        Action::UpdateContainer { container, update } => engine.update(container, update).await?,
        Action::UnpauseContainer { container } => engine.unpause(container).await?,
        Action::RestartContainer { container } => engine.restart(container).await?,
        Action::StopContainer { container, grace } => engine.stop(container, grace.asked()).await?,
        Action::RenameContainer { container, to } => {
            engine.rename(&resolve_container(container, known)?, to).await?;
        }
        Action::ConnectNetwork { network, container, aliases } => {
            engine.connect(&resolve_network(network, known)?, container, aliases).await?;
        }
        Action::RemoveContainer { container } => engine.remove_container(container).await?,
        Action::RemoveNetwork { network } => engine.remove_network(network).await?,
        Action::RemoveVolume => engine.remove_volume(&name).await?,
    }
    Ok(Output::Nothing)
}

/// Checks the digest of a pulled image: the tag may have moved since the plan, and only planned images are run.
async fn came_as_planned<E: Engine>(
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

fn resolve_container(handle: &Handle<ContainerId>, known: &BTreeMap<OpId, Output>) -> Result<ContainerId, EngineError> {
    match handle {
        Handle::Known(id) => Ok(id.clone()),
        Handle::From(op) => match known.get(op) {
            Some(Output::Container(id)) => Ok(id.clone()),
            _ => Err(unmade(*op)),
        },
    }
}

fn resolve_network(handle: &Handle<NetworkId>, known: &BTreeMap<OpId, Output>) -> Result<NetworkId, EngineError> {
    match handle {
        Handle::Known(id) => Ok(id.clone()),
        Handle::From(op) => match known.get(op) {
            Some(Output::Network(id)) => Ok(id.clone()),
            _ => Err(unmade(*op)),
        },
    }
}

/// A plan with a handle to an operation that is not required. The plan checker rejects such plans.
fn unmade(op: OpId) -> EngineError {
    EngineError::new(Fault::Refused, format!("the plan uses the result of operation {op} without requiring it"))
}

//! Waiting until a container is proven ready: asking at short intervals, with a deadline.
//!
//! A container that has ended will never be ready, and is not waited for; unless that it ends with 0 is what it is for.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::failure::Why;
use crate::engine::{Engine, ExecOutput, Fault, Inspection};
use crate::resource::{ContainerId, Probe};
use crate::spec::capability::KnownFailure;
use crate::state::ContainerState;

/// A single question that hangs must not use up the whole wait.
const QUESTION: Duration = Duration::from_secs(5);

/// A container that its restart policy has started again this often is crash-looping: the engine's own pauses
/// between restarts grow from 100 ms, so that this takes about a second to show.
const CRASH_LOOP: i64 = 3;

/// What it means when the container ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends<'a> {
    pub failures: &'a [KnownFailure],
    /// With 0 it has done what it is for.
    pub may_complete: bool,
}

/// Waits until `probe` says yes, or the container has completed.
pub(super) async fn wait<E: Engine>(
    engine: &E,
    container: &ContainerId,
    probe: &Probe,
    ends: Ends<'_>,
    stop: &CancellationToken,
) -> Result<(), Why> {
    match probe {
        Probe::Running { settle } => {
            sleep(*settle).await;
            let inspection = engine.inspect(container).await?;
            let is_fine = inspection.state == ContainerState::Running || ends.completed(&inspection);
            if is_fine { Ok(()) } else { Err(Why::Ended(inspection)) }
        }
        Probe::Exec { command, interval, timeout } => {
            let deadline = Instant::now() + *timeout;
            let mut last = None;
            loop {
                match ask(engine, container, command, ends).await? {
                    Answer::Yes => return Ok(()),
                    Answer::No(output) => last = Some(output),
                    Answer::NotNow => {}
                }
                if stop.is_cancelled() {
                    return Err(Why::Interrupted);
                }
                if Instant::now() + *interval > deadline {
                    return Err(Why::NotReady { after: *timeout, last });
                }
                sleep(*interval).await;
            }
        }
    }
}

enum Answer {
    Yes,
    No(ExecOutput),
    /// The question could not be put: the container is being started again, or the engine is slow.
    NotNow,
}

async fn ask<E: Engine>(
    engine: &E,
    container: &ContainerId,
    command: &[String],
    ends: Ends<'_>,
) -> Result<Answer, Why> {
    match timeout(QUESTION, engine.exec(container, command)).await {
        Err(_) => Ok(Answer::NotNow),
        Ok(Ok(output)) if output.exit_code == 0 => Ok(Answer::Yes),
        Ok(Ok(output)) => {
            // An exec that is cut off by the end of its container gives a code as well: 137, or whatever it was.
            if output.exit_code > 128 && alive(engine, container, ends).await? == Life::Completed {
                return Ok(Answer::Yes);
            }
            Ok(Answer::No(output))
        }
        // The engine refuses to put a question to a container that does not run.
        Ok(Err(error)) if matches!(error.fault, Fault::Conflict | Fault::Engine | Fault::Refused) => {
            Ok(match alive(engine, container, ends).await? {
                Life::Goes => Answer::NotNow,
                Life::Completed => Answer::Yes,
            })
        }
        Ok(Err(error)) => Err(error.into()),
    }
}

#[derive(PartialEq, Eq)]
enum Life {
    Goes,
    Completed,
}

/// An error if the container has ended for good, and not as it should.
async fn alive<E: Engine>(engine: &E, container: &ContainerId, ends: Ends<'_>) -> Result<Life, Why> {
    let inspection: Inspection = engine.inspect(container).await?;
    let known = ends.failures.iter().any(|failure| failure.exit == inspection.exit_code);
    let looping = known || inspection.restarts >= CRASH_LOOP;
    match inspection.state {
        _ if ends.completed(&inspection) => Ok(Life::Completed),
        ContainerState::Running | ContainerState::Unknown => Ok(Life::Goes),
        ContainerState::Restarting if !looping => Ok(Life::Goes),
        _ => Err(Why::Ended(inspection)),
    }
}

impl Ends<'_> {
    fn completed(self, inspection: &Inspection) -> bool {
        self.may_complete && inspection.state == ContainerState::Exited && inspection.exit_code == 0
    }
}

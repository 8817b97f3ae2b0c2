//! Waits until a container is proven ready: probes it at short intervals, with a deadline.
//!
//! A container that the engine restarts may be running by chance at one moment: it has to be the
//! same run at two moments. An exited container will never be ready, so the wait ends; for a one-shot command,
//! exiting with 0 is success.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::failure::CallFailure;
use moat_model::engine::{Engine, EngineError, ExecOutput, Fault, Inspection};
use moat_model::resource::KnownFailure;
use moat_model::resource::{ContainerId, Probe};
use moat_model::state::{ContainerState, Health};

/// A single probe that hangs must not use up the whole wait.
const QUESTION: Duration = Duration::from_secs(5);

/// A container that its restart policy restarted this often is crash-looping: the engine's pauses
/// between restarts grow from 100 ms, so this takes about a second to detect.
const CRASH_LOOP: i64 = 3;

/// The interval between inspections of a container that has to stay up.
const LOOK: Duration = Duration::from_millis(500);

/// The interval between runs of an image's check, which may be a slow program.
const IMAGE_INTERVAL: Duration = Duration::from_millis(250);

/// The meaning of the container's exit.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExitPolicy<'a> {
    pub failures: &'a [KnownFailure],
    /// Exit code 0 is success.
    pub may_complete: bool,
}

/// Waits until `probe` succeeds, or the container has completed.
pub(super) async fn wait<E: Engine>(
    engine: &E,
    container: &ContainerId,
    probe: &Probe,
    ends: ExitPolicy<'_>,
    stop: &CancellationToken,
) -> Result<(), CallFailure> {
    let wait = Wait { engine, container, ends, stop };
    match probe {
        Probe::Running { settle, check } => {
            let proven = loop {
                if let Some(proven) = wait.lasts(*settle).await? {
                    break proven;
                }
            };
            match (check, &proven.check) {
                (Some(timeout), Some(command)) if matches!(proven.health, Health::Starting | Health::Unhealthy) => {
                    let question = Question { command, interval: IMAGE_INTERVAL, timeout: *timeout };
                    wait.answered(&question, Until::Refused).await
                }
                _ => Ok(()),
            }
        }
        Probe::Exec { command, interval, timeout, settle } => {
            let question = Question { command, interval: *interval, timeout: *timeout };
            wait.answered(&question, Until::Lasting(*settle)).await
        }
        Probe::Idle { command, interval, timeout } => {
            let question = Question { command, interval: *interval, timeout: *timeout };
            wait.answered(&question, Until::SameRun).await
        }
    }
}

/// Runs `command` in the container during a wait. The wait alone decides: the command may still run after it.
pub(super) async fn beside<E: Engine>(
    engine: &E,
    container: &ContainerId,
    command: Option<&[String]>,
    wait: impl Future<Output = Result<(), CallFailure>>,
) -> Result<(), CallFailure> {
    let Some(command) = command else { return wait.await };
    let never = async {
        let _ = engine.exec(container, command).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        ready = wait => ready,
        () = never => Ok(()),
    }
}

/// The state shared by all probes of one container.
struct Wait<'a, E> {
    engine: &'a E,
    container: &'a ContainerId,
    ends: ExitPolicy<'a>,
    stop: &'a CancellationToken,
}

struct Question<'a> {
    command: &'a [String],
    interval: Duration,
    timeout: Duration,
}

/// When a success is sufficient, and when a failure is final.
#[derive(Clone, Copy)]
enum Until {
    /// A success, after which the container stays up for this long.
    Lasting(Duration),
    /// A success, without a restart during the probe.
    SameRun,
    /// A success; or the engine's verdict from the same check, with its own retries.
    Refused,
}

enum Answer {
    Yes,
    No(ExecOutput),
    /// The probe could not run: the container is restarting, or the engine is slow.
    NotNow,
}

impl<E: Engine> Wait<'_, E> {
    async fn answered(&self, question: &Question<'_>, until: Until) -> Result<(), CallFailure> {
        let Question { command, interval, timeout } = *question;
        let deadline = Instant::now() + timeout;
        let mut last = None;
        let mut looked = Instant::now();
        loop {
            let before = if matches!(until, Until::SameRun) { Some(self.look().await?) } else { None };
            match self.ask(command).await? {
                Answer::Yes if self.is_enough(until, before).await? => return Ok(()),
                Answer::Yes | Answer::NotNow => {}
                Answer::No(output) => {
                    if matches!(until, Until::Refused) && self.look().await?.health == Health::Unhealthy {
                        return Err(CallFailure::Unhealthy { command: command.to_vec(), last: output });
                    }
                    last = Some(output);
                }
            }
            if looked.elapsed() >= LOOK {
                self.look_for_network().await?;
                looked = Instant::now();
            }
            if Instant::now() + interval > deadline {
                return Err(CallFailure::NotReady { command: command.to_vec(), after: timeout, last });
            }
            self.pause(interval).await?;
        }
    }

    /// Whether a single success is sufficient.
    async fn is_enough(&self, until: Until, before: Option<Inspection>) -> Result<bool, CallFailure> {
        match (until, before) {
            (Until::Lasting(settle), _) if !settle.is_zero() => Ok(self.lasts(settle).await?.is_some()),
            (Until::SameRun, Some(before)) => {
                let after = self.look().await?;
                Ok(self.ends.completed(&after) || is_same_run(&before, &after))
            }
            _ => Ok(true),
        }
    }

    /// Observes the container for `settle`; `None` if it was restarted in the meantime, or is about to be.
    async fn lasts(&self, settle: Duration) -> Result<Option<Inspection>, CallFailure> {
        let end = Instant::now() + settle;
        let before = self.look().await?;
        loop {
            self.pause(LOOK.min(end.saturating_duration_since(Instant::now()))).await?;
            let now = self.look().await?;
            if self.ends.completed(&now) {
                return Ok(Some(now));
            }
            if !is_same_run(&before, &now) {
                return Ok(None);
            }
            if Instant::now() >= end {
                return Ok(Some(now));
            }
        }
    }

    async fn pause(&self, time: Duration) -> Result<(), CallFailure> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(CallFailure::Interrupted),
            () = sleep(time) => Ok(()),
        }
    }

    async fn ask(&self, command: &[String]) -> Result<Answer, CallFailure> {
        match timeout(QUESTION, self.engine.exec(self.container, command)).await {
            Err(_) => Ok(Answer::NotNow),
            Ok(Ok(output)) if output.exit_code == 0 => Ok(Answer::Yes),
            Ok(Ok(output)) => {
                // An exec that ends with its container has an exit code as well: 137, or any other.
                if output.exit_code > 128 && self.ends.completed(&self.look().await?) {
                    return Ok(Answer::Yes);
                }
                Ok(Answer::No(output))
            }
            // The engine refuses an exec in a container that is not running.
            Ok(Err(error)) if matches!(error.fault, Fault::Conflict | Fault::Engine | Fault::Refused) => {
                let is_over = self.ends.completed(&self.look().await?);
                Ok(if is_over { Answer::Yes } else { Answer::NotNow })
            }
            Ok(Err(error)) => Err(error.into()),
        }
    }

    /// Returns an error if the container was disconnected from its network. A service whose probe uses its own name does
    /// not become ready until it is connected again, which is an operation of the next round: this one fails early
    /// instead of waiting until its timeout.
    async fn look_for_network(&self) -> Result<(), CallFailure> {
        let inspection = self.engine.inspect(self.container).await?;
        if inspection.disconnected && inspection.state == ContainerState::Running {
            let message = format!("container {} was disconnected from its network", self.container);
            return Err(EngineError::new(Fault::Conflict, message).into());
        }
        Ok(())
    }

    /// Returns an error if the container has exited for good without success.
    async fn look(&self) -> Result<Inspection, CallFailure> {
        let inspection = self.engine.inspect(self.container).await?;
        let known = self.ends.failures.iter().any(|failure| failure.exit == inspection.exit_code);
        let looping = known || inspection.restarts >= CRASH_LOOP;
        let goes = match inspection.state {
            _ if self.ends.completed(&inspection) => true,
            ContainerState::Running | ContainerState::Unknown => true,
            ContainerState::Restarting => !looping,
            _ => false,
        };
        if goes { Ok(inspection) } else { Err(CallFailure::Ended(inspection)) }
    }
}

/// Whether the container ran at both inspections, without a restart in between.
fn is_same_run(before: &Inspection, after: &Inspection) -> bool {
    let ran = |it: &Inspection| matches!(it.state, ContainerState::Running | ContainerState::Unknown);
    ran(before) && ran(after) && before.restarts == after.restarts
}

impl ExitPolicy<'_> {
    fn completed(self, inspection: &Inspection) -> bool {
        self.may_complete && inspection.state == ContainerState::Exited && inspection.exit_code == 0
    }
}

//! Runs a command of the user in a container, and records it in the audit log.

use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::ui;
use moat_docker::{AttachRequest, Attached, Captured, Docker};
use moat_model::engine::{Engine, Filter};
use moat_model::resource::{ContainerId, Run};
use moat_model::state::ContainerState;

/// A command of the user in a container, and its entry in the audit log.
pub struct ExecCall<'a> {
    /// The moat command.
    pub command: &'static str,
    pub run: &'a Run,
    pub container: &'a ContainerId,
    pub request: &'a AttachRequest,
    pub audit_data: Value,
}

/// The event in the audit log.
pub const EXEC_RUN: &str = "exec_run";

/// The lowest exit code of a process killed by a signal.
const KILLED: i64 = 128;

/// A container stops a moment after the commands in it: how often to check, and the interval.
const LOOKS: u32 = 8;
const LOOK: Duration = Duration::from_millis(250);

impl ExecCall<'_> {
    /// Runs the command with the streams of this process, until it exits, the user detaches, or `stop` is cancelled.
    pub async fn attach(self, engine: &Docker, session: &Session, stop: &CancellationToken) -> Result<Exit, CliError> {
        let record = Record::open(self.command, engine)?;
        let began = Instant::now();
        let work = async {
            tokio::select! {
                biased;
                () = stop.cancelled() => Ok(Attached::Left),
                attached = Box::pin(engine.attach(self.container, self.request)) => Ok(attached?),
            }
        };
        let code = |attached: &Attached| match attached {
            Attached::Ended(code) => Some(*code),
            Attached::Left => None,
        };
        match record.session(self.run, EXEC_RUN, self.audit_data, work, code).await? {
            // An exit code of a process always fits.
            Attached::Ended(code) => {
                if code >= KILLED
                    && let Some(why) = ended_by(engine, self.run, self.container, began).await
                {
                    session.warning(&format!("the session ended: {why}"), "see `moat history`");
                }
                Ok(u8::try_from(code).map_or(Exit::Failed, Exit::Of))
            }
            Attached::Left if stop.is_cancelled() => Ok(Exit::Interrupted),
            Attached::Left => {
                session.screen.say("\ndetached; the command keeps running\n");
                Ok(Exit::Done)
            }
        }
    }

    /// Runs the command and prints the end of its output and its exit code as one document.
    pub async fn capture(self, engine: &Docker, session: &Session) -> Result<Exit, CliError> {
        let work = async { Ok(engine.capture(self.container, self.request).await?) };
        let code = |ran: &Captured| Some(ran.exit_code);
        let record = Record::open(self.command, engine)?;
        let ran = record.session(self.run, EXEC_RUN, self.audit_data, work, code).await?;
        session.answer(&ui::render::exec::json(&ran))?;
        Ok(u8::try_from(ran.exit_code).map_or(Exit::Failed, Exit::Of))
    }

    /// Starts the command in the background and discards its output.
    pub async fn detach(self, engine: &Docker) -> Result<Exit, CliError> {
        let work = async { Ok(Box::pin(engine.detach(self.container, self.request)).await?) };
        Record::open(self.command, engine)?.session(self.run, EXEC_RUN, self.audit_data, work, |()| None).await?;
        Ok(Exit::Done)
    }
}

/// Why a signal ended a session, as far as its container shows. `None`: the container is unchanged, so the signal was
/// sent to the session itself.
pub async fn ended_by(engine: &Docker, run: &Run, container: &ContainerId, began: Instant) -> Option<String> {
    for look in 0..LOOKS {
        if look > 0 {
            sleep(LOOK).await;
        }
        let all = engine.containers(&Filter::Run(run.id.clone())).await.ok()?;
        let Some(facts) = all.into_iter().find(|facts| facts.id == *container) else {
            return Some("its container was removed".to_owned());
        };
        if facts.state != ContainerState::Running {
            return Some(format!("`{}` was stopped", facts.name));
        }
        if facts.up_seconds.is_some_and(|seconds| seconds < began.elapsed().as_secs()) {
            return Some(format!("`{}` was restarted", facts.name));
        }
    }
    None
}

//! Options of a command in a sandbox: container, user, directory and environment; shared by `exec`, `run` and `shell`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::Path;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use serde_json::{Value, json};

use crate::cli::candidates::containers;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::cli::target::{Named, Target};
use tokio_util::sync::CancellationToken;

use moat_model::engine::{Engine, Filter};
use tokio::time::{Duration, Instant, sleep};

use crate::ui;
use moat_docker::{AttachRequest, Attached, Captured, DetachKeys, Docker};
use moat_model::resource::digest::sha256;
use moat_model::resource::{ContainerId, ResourceId, Run};
use moat_model::state::{ContainerFacts, ContainerState};

/// The event in the audit log.
pub const EXEC_RUN: &str = "exec_run";

#[derive(Debug, Args)]
pub struct ExecArgs {
    /// Container of the sandbox
    #[arg(short, long, value_name = "NAME", default_value = "main", add = ArgValueCandidates::new(containers))]
    container: String,
    /// Working directory of the command
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// User name or id, optionally with `:GROUP`
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Set a variable; without a value, pass the current one
    #[arg(short, long, value_name = "NAME[=VALUE]", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Keys that detach, as in `ctrl-p,ctrl-q` [default: none]
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<DetachKeys>,
}

/// Prints the name of a directory's owner from the container's `/etc/passwd`: not every `id` accepts a number.
const OWNER: &str = "want=$(stat -c %u \"$0\") && while IFS=: read -r name _ uid _; do \
                     [ \"$uid\" != \"$want\" ] || { echo \"$name\"; break; }; done </etc/passwd";

/// The container to run a command in, and the default user.
pub struct Place {
    pub container: ContainerId,
    user: Option<String>,
}

impl ExecArgs {
    /// Connects to the engine and finds the container.
    pub async fn find(&self, target: &Target, session: &Session) -> Result<(Docker, Run, Place), CliError> {
        let named = target.read()?;
        let engine = session.connect().await?;
        let (run, place) = self.place(named, &engine).await?;
        Ok((engine, run, place))
    }

    /// Finds the container on a connected engine, see [`ExecArgs::find`].
    pub async fn place(&self, named: Named, engine: &Docker) -> Result<(Run, Place), CliError> {
        let sandbox = named.find(engine).await?;
        let facts = sandbox.running(&self.container)?;
        let user = if self.user.is_none() { owner(engine, facts).await } else { None };
        let place = Place { container: facts.id.clone(), user };
        Ok((sandbox.run, place))
    }

    /// The data of the audit entry. Arguments and values may be secrets: of the command, only the program and a digest are
    /// logged; of the environment, only the names.
    pub fn audit_data(&self, Place { container, .. }: &Place, request: &AttachRequest) -> Value {
        json!({
            "id": container,
            "resource": format!("container/{}", self.container),
            "program": request.command.first(),
            "arguments": request.command.len().saturating_sub(1),
            "command_sha256": sha256(json!(request.command).to_string()),
            "environment": request.env.keys().collect::<Vec<_>>(),
            "user": request.user,
            "tty": request.tty,
        })
    }

    pub fn request(&self, place: &Place, command: Vec<String>) -> AttachRequest {
        AttachRequest {
            command,
            env: self.env.iter().cloned().collect::<BTreeMap<_, _>>(),
            user: self.user.clone().or_else(|| place.user.clone()),
            workdir: self.workdir.clone(),
            // A terminal would garble a file or a pipe on either side.
            tty: io::stdin().is_terminal() && io::stdout().is_terminal(),
            stdin: true,
            detach_keys: self.detach_keys.clone(),
            kill_on_exit: false,
        }
    }
}

/// The owner of the workspace of a main container, if the spec sets no user: files created by root could not be changed
/// by the owner. `None`: no such user, or no workspace.
async fn owner(engine: &Docker, facts: &ContainerFacts) -> Option<String> {
    let owner = facts.owner.as_ref().filter(|owner| owner.resource == ResourceId::main())?;
    let workdir = owner.applied.workdir.as_deref().filter(|_| owner.applied.user.is_none())?;
    if !owner.applied.mounts.keys().any(|target| Path::new(workdir).starts_with(target)) {
        return None;
    }
    let command = ["sh", "-c", OWNER, workdir].map(str::to_owned);
    let answer = engine.exec(&facts.id, &command).await.ok().filter(|answer| answer.exit_code == 0)?;
    Some(answer.output.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Runs a command with the streams of this process, until it exits, the user detaches, or `stop` is cancelled.
pub async fn attach(
    (engine, run, container): (&Docker, &Run, &ContainerId),
    request: &AttachRequest,
    (command, audit_data): (&str, Value),
    session: &Session,
    stop: &CancellationToken,
) -> Result<Exit, CliError> {
    let record = Record::open(command, engine)?;
    let began = Instant::now();
    let work = async {
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(Attached::Left),
            attached = Box::pin(engine.attach(container, request)) => Ok(attached?),
        }
    };
    let code = |attached: &Attached| match attached {
        Attached::Ended(code) => Some(*code),
        Attached::Left => None,
    };
    match record.session(run, EXEC_RUN, audit_data, work, code).await? {
        // An exit code of a process always fits.
        Attached::Ended(code) => {
            if code >= KILLED
                && let Some(why) = ended_by(engine, (run, container), began).await
            {
                session.caution(&format!("the session ended: {why}"), "see `moat history`");
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

/// The lowest exit code of a process killed by a signal.
const KILLED: i64 = 128;

/// A container stops a moment after the commands in it: how often to check, and the interval.
const LOOKS: u32 = 8;
const LOOK: Duration = Duration::from_millis(250);

/// Why a signal ended a session, as far as its container shows. `None`: the container is unchanged, so the signal was
/// sent to the session itself.
async fn ended_by(engine: &Docker, (run, container): (&Run, &ContainerId), began: Instant) -> Option<String> {
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

/// Runs a command and prints the end of its output and its exit code as one document.
pub async fn capture(
    (engine, run, container): (&Docker, &Run, &ContainerId),
    request: &AttachRequest,
    (command, audit_data): (&str, Value),
    session: &Session,
) -> Result<Exit, CliError> {
    let work = async { Ok(engine.capture(container, request).await?) };
    let code = |ran: &Captured| Some(ran.exit_code);
    let ran = Record::open(command, engine)?.session(run, EXEC_RUN, audit_data, work, code).await?;
    session.answer(&ui::render::exec::json(&ran))?;
    Ok(u8::try_from(ran.exit_code).map_or(Exit::Failed, Exit::Of))
}

/// Parses `NAME=VALUE`, or `NAME` with the value from this process's environment.
fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => (text, std::env::var(text).map_err(|_| format!("`{text}` is not set"))?),
    };
    if name.is_empty() { Err("a variable must have a name".to_owned()) } else { Ok((name.to_owned(), value)) }
}

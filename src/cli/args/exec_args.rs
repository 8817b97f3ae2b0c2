//! Where in a sandbox a command runs, and as whom: what `exec` and `shell` have in common.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::Path;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use serde_json::{Value, json};

use crate::cli::commands::completions::containers;
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

/// How it is called on record.
pub const EXEC_RUN: &str = "exec_run";

#[derive(Debug, Args)]
pub struct Inside {
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

/// Prints the name of whoever a folder belongs to, if the container knows one. Not every `id` takes a number.
const OWNER: &str = "want=$(stat -c %u \"$0\") && while IFS=: read -r name _ uid _; do \
                     [ \"$uid\" != \"$want\" ] || { echo \"$name\"; break; }; done </etc/passwd";

/// A container in which something is to be run, and who runs it unless somebody is named.
pub struct Place {
    pub container: ContainerId,
    user: Option<String>,
}

impl Inside {
    /// The engine, and the container that is meant.
    pub async fn find(&self, target: &Target, session: &Session) -> Result<(Docker, Run, Place), CliError> {
        let named = target.read()?;
        let engine = session.connect().await?;
        let (run, place) = self.place(named, &engine).await?;
        Ok((engine, run, place))
    }

    /// As [`Inside::find`], with the engine at hand.
    pub async fn place(&self, named: Named, engine: &Docker) -> Result<(Run, Place), CliError> {
        let sandbox = named.find(engine).await?;
        let facts = sandbox.running(&self.container)?;
        let user = if self.user.is_none() { owner(engine, facts).await } else { None };
        let place = Place { container: facts.id.clone(), user };
        Ok((sandbox.run, place))
    }

    /// What is put on record of it. Words and values may be secrets: of the command its program is told and a digest by
    /// which whoever knows the rest can prove it, of the environment the names.
    pub fn on_record(&self, Place { container, .. }: &Place, request: &AttachRequest) -> Value {
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
            // With only one of the two, one of them is a file or a pipe, which a terminal would garble.
            tty: io::stdin().is_terminal() && io::stdout().is_terminal(),
            stdin: true,
            detach_keys: self.detach_keys.clone(),
            kill_on_exit: false,
        }
    }
}

/// Whoever the workspace of a main container belongs to, where the spec names no user: otherwise what is made there could
/// not be changed by its owner. `None`: there is no such user, or no workspace.
async fn owner(engine: &Docker, facts: &ContainerFacts) -> Option<String> {
    let owner = facts.owner.as_ref().filter(|owner| owner.resource == ResourceId::main())?;
    let config: Value = serde_json::from_str(&owner.config).ok()?;
    let workdir = config["workdir"].as_str().filter(|_| config["user"].is_null())?;
    let mut targets = config["mounts"].as_object()?.keys();
    if !targets.any(|target| Path::new(workdir).starts_with(target)) {
        return None;
    }
    let command = ["sh", "-c", OWNER, workdir].map(str::to_owned);
    let answer = engine.exec(&facts.id, &command).await.ok().filter(|answer| answer.exit_code == 0)?;
    Some(answer.output.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Runs it with this process's own streams, to its end or until the user leaves it, or does not want to wait any more.
pub async fn attach(
    (engine, run, container): (&Docker, &Run, &ContainerId),
    request: &AttachRequest,
    (command, on_record): (&str, Value),
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
    match record.session(run, EXEC_RUN, on_record, work, code).await? {
        // What does not fit cannot come from a process.
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

/// The least code of a process that a signal has ended.
const KILLED: i64 = 128;

/// A container goes a moment after the commands in it: so often, and with such a pause, it is looked at.
const LOOKS: u32 = 8;
const LOOK: Duration = Duration::from_millis(250);

/// What has become of the container of a session that a signal has ended; `None`: nothing, so that the signal was for
/// the session itself.
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

/// Runs it to its end, and gives the end of its output and its exit code as one document.
pub async fn capture(
    (engine, run, container): (&Docker, &Run, &ContainerId),
    request: &AttachRequest,
    (command, on_record): (&str, Value),
    session: &Session,
) -> Result<Exit, CliError> {
    let work = async { Ok(engine.capture(container, request).await?) };
    let code = |ran: &Captured| Some(ran.exit_code);
    let ran = Record::open(command, engine)?.session(run, EXEC_RUN, on_record, work, code).await?;
    session.answer(&ui::render::exec::json(&ran))?;
    Ok(u8::try_from(ran.exit_code).map_or(Exit::Failed, Exit::Of))
}

/// Reads `NAME=VALUE`, or the `NAME` of a variable that is set here.
fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => (text, std::env::var(text).map_err(|_| format!("`{text}` is not set"))?),
    };
    if name.is_empty() { Err("a variable must have a name".to_owned()) } else { Ok((name.to_owned(), value)) }
}

//! Options of a command in a sandbox: container, user, directory and environment; shared by `exec`, `run` and `shell`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::Path;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use serde_json::{Value, json};

use crate::cli::candidates::containers;
use crate::cli::error::CliError;
use crate::cli::exec_call::ExecCall;
use crate::cli::session::Session;
use crate::cli::target::{Named, Target};
use moat_docker::{AttachRequest, DetachKeys, Docker};
use moat_model::engine::Engine;
use moat_model::resource::digest::sha256;
use moat_model::resource::{ContainerId, ResourceId, Run};
use moat_model::state::ContainerFacts;

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
    pub user: Option<String>,
}

impl ExecArgs {
    /// In the main container, with variables.
    pub fn with(env: Vec<(String, String)>) -> Self {
        Self { container: ResourceId::main().name, workdir: None, user: None, env, detach_keys: None }
    }

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

    /// The call of a request for the moat command `command`.
    pub fn call<'a>(
        &self,
        command: &'static str,
        run: &'a Run,
        place: &'a Place,
        request: &'a AttachRequest,
    ) -> ExecCall<'a> {
        let container = &place.container;
        ExecCall { command, run, container, request, audit_data: self.audit_data(container, request) }
    }

    /// The data of the audit entry. Arguments and values may be secrets: of the command, only the program and a digest are
    /// logged; of the environment, only the names.
    pub fn audit_data(&self, container: &ContainerId, request: &AttachRequest) -> Value {
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
pub async fn owner(engine: &Docker, facts: &ContainerFacts) -> Option<String> {
    let owner = facts.owner.as_ref().filter(|owner| owner.resource == ResourceId::main())?;
    let workdir = owner.applied.workdir.as_deref().filter(|_| owner.applied.user.is_none())?;
    if !owner.applied.mounts.keys().any(|target| Path::new(workdir).starts_with(target)) {
        return None;
    }
    let command = ["sh", "-c", OWNER, workdir].map(str::to_owned);
    let answer = engine.exec(&facts.id, &command).await.ok().filter(|answer| answer.exit_code == 0)?;
    Some(answer.output.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Parses `NAME=VALUE`, or `NAME` with the value from this process's environment.
fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => (text, std::env::var(text).map_err(|_| format!("`{text}` is not set"))?),
    };
    if name.is_empty() { Err("a variable must have a name".to_owned()) } else { Ok((name.to_owned(), value)) }
}

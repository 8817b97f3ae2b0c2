//! `moat exec`: a command in the main container, with the user's own streams.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::exit::Exit;
use super::load::{self, DEFAULT_SPEC};
use super::session::Session;
use crate::engine::docker::AttachRequest;
use crate::engine::{Engine, Filter};
use crate::graph::Graph;
use crate::resource::{ContainerId, ResourceId};
use crate::state::{ContainerState, Observed};

/// Run a command in the sandbox, with this terminal and its exit code
#[derive(Debug, Args)]
pub struct Exec {
    /// The spec file, or its directory
    #[arg(value_name = "SPEC", default_value = DEFAULT_SPEC)]
    spec: PathBuf,
    /// Which agent, of a file that has several
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// The directory to run it in
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Whom to run it as: a name or a number, with a group after a colon
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Set an environment variable; without a value it is passed on from here
    #[arg(short, long, value_name = "NAME[=VALUE]", value_parser = variable)]
    env: Vec<(String, String)>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub async fn run(args: &Exec, session: &Session) -> Result<Exit, CliError> {
    let graph = load::one(&args.spec, args.agent.as_deref()).map_err(CliError::Load)?;
    let engine = session.connect().await?;
    let container = main_container(&engine, &graph).await?;
    let code = engine.attach(&container, &args.request()).await?;
    // What does not fit cannot come from a process.
    Ok(u8::try_from(code).map_or(Exit::Failed, Exit::Of))
}

async fn main_container<E: Engine>(engine: &E, graph: &Graph) -> Result<ContainerId, CliError> {
    let containers = engine.containers(&Filter::Run(graph.run.id.clone())).await?;
    let observed = Observed { containers, ..Observed::default() };
    let main = ResourceId::main();
    let mut found: Vec<_> = observed.containers_of(&main).collect();
    found.sort_by_key(|facts| facts.state != ContainerState::Running);
    let not_running = |state: String| CliError::NotRunning { agent: graph.run.agent.to_string(), state };
    match found.first() {
        Some(facts) if facts.state == ContainerState::Running => Ok(facts.id.clone()),
        Some(facts) => Err(not_running(format!("does not run: it is {}", facts.state.as_str()))),
        None => Err(not_running("is not there".to_owned())),
    }
}

impl Exec {
    fn request(&self) -> AttachRequest {
        AttachRequest {
            command: self.command.clone(),
            env: self.env.iter().cloned().collect::<BTreeMap<_, _>>(),
            user: self.user.clone(),
            workdir: self.workdir.clone(),
            // With only one of the two, one of them is a file or a pipe, which a terminal would garble.
            tty: io::stdin().is_terminal() && io::stdout().is_terminal(),
            stdin: true,
        }
    }
}

/// Reads `NAME=VALUE`, or the `NAME` of a variable that is set here.
fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => (text, std::env::var(text).map_err(|_| format!("`{text}` is not set here"))?),
    };
    if name.is_empty() { Err("a variable needs a name".to_owned()) } else { Ok((name.to_owned(), value)) }
}

//! `moat run`: applies the spec, then runs a command in the sandbox.
//!
//! The apply reports on standard error; standard output belongs to the command.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use tokio_util::sync::CancellationToken;

use crate::cli::args::change_args::ChangeArgs;
use crate::cli::args::exec_args::ExecArgs;
use crate::cli::candidates::agents;
use crate::cli::commands::apply;
use crate::cli::commands::destroy;
use crate::cli::confirm::{self, Confirm};
use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::held::{HeldSessions, NewSession};
use crate::cli::interrupt::{interruptible, unless};
use crate::cli::load::{Agent, Load};
use crate::cli::record::Record;
use crate::cli::runner::{Change, Goal, Present, Runner};
use crate::cli::selection::Selection;
use crate::cli::session::Session;
use crate::cli::target::Named;
use crate::observe::observe;
use crate::reconcile::{Claims, OnFailure};
use crate::ui::render::outcome::Command;
use crate::ui::terminal::ask;
use moat_docker::{DetachKeys, Docker};
use moat_model::graph::Graph;
use moat_plan::{Options, compute};

/// Apply the spec, then run a command in the sandbox
///
/// Progress is printed on standard error, and the exit code is the command's. With a terminal, Ctrl-C is sent to the
/// command. Without one, it stops waiting for the command; with --rm it also ends the command.
#[derive(Debug, Args)]
pub struct Run {
    /// Spec file or directory, agent name, or run id
    #[arg(value_name = "AGENT", default_value = default_spec::path(), add = ArgValueCandidates::new(agents))]
    agent: PathBuf,
    /// Remove the sandbox afterwards, like `moat destroy`
    #[arg(long)]
    rm: bool,
    #[command(flatten)]
    exec: ExecArgs,
    #[command(flatten)]
    change: ChangeArgs,
    /// Print the end of the output and the exit code as JSON
    #[arg(long, conflicts_with = "detach_keys")]
    pub(in crate::cli) json: bool,
    /// The name of a session to hold the command in, and the keys that detach.
    #[arg(skip)]
    held: Option<(String, DetachKeys)>,
    /// Command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub async fn run(args: &Run, session: &Session) -> Result<Exit, CliError> {
    let (selection, engine) = Selection::find(session, std::slice::from_ref(&args.agent), Load::Full).await?;
    let mut agents = selection.into_agents();
    let (Some(agent), true) = (agents.pop(), agents.is_empty()) else {
        let message = format!("`{}` contains several agents", args.agent.display());
        return Err(CliError::Usage { message, hint: "apply it, then use the name of one agent".to_owned() });
    };
    args.carry_out(agent, engine, session).await
}

/// Returns whether an error occurred after the sandbox was applied.
fn is_after_apply(error: &CliError) -> bool {
    matches!(
        error,
        CliError::NotRunning { .. }
            | CliError::ContainerNotRunning { .. }
            | CliError::UnknownContainer { .. }
            | CliError::Attach(_)
            | CliError::Output(_)
    )
}

impl Run {
    /// A command to run in a sandbox that is kept.
    pub(super) fn of(agent: PathBuf, exec: ExecArgs, change: ChangeArgs, json: bool, command: Vec<String>) -> Self {
        Self { agent, rm: false, exec, change, json, held: None, command }
    }

    /// The same in a session with a name, if there is a terminal.
    pub(super) fn held(self, name: &str, keys: DetachKeys) -> Self {
        Self { held: Some((name.to_owned(), keys)), ..self }
    }

    /// Applies the spec of an agent, runs the command and, with `--rm`, removes the sandbox.
    pub(super) async fn carry_out(&self, agent: Agent, engine: Docker, session: &Session) -> Result<Exit, CliError> {
        let stop = CancellationToken::new();
        if self.rm {
            self.agreed(&engine, &agent, session).await?;
        }
        let work = async {
            let record = Record::open("run", &engine)?;
            let passed = self.change.approving.pass_one(agent, session, &engine, &record);
            let agent = record.closed(unless(&stop, passed).await)?;
            let ran = Box::pin(self.apply_and_run(&engine, &agent, &stop, session)).await;
            // Without the lock nothing was changed, and an unreachable engine cannot be cleaned up.
            let untouched =
                matches!(&ran, Ok(Exit::NoEngine)) || ran.as_ref().is_err_and(|error| !is_after_apply(error));
            if !self.rm || untouched {
                return ran;
            }
            let removed = self.remove(&engine, &agent, session).await?;
            match ran? {
                Exit::Done | Exit::Of(0) => Ok(removed),
                exit => Ok(exit),
            }
        };
        Box::pin(interruptible(&session.screen, &stop, work)).await
    }

    async fn apply_and_run(
        &self,
        engine: &Docker,
        agent: &Agent,
        stop: &CancellationToken,
        session: &Session,
    ) -> Result<Exit, CliError> {
        let record = Record::open("run", engine)?;
        let confirm = Confirm::new(session, false);
        let runner = self.runner(Command::Run, engine, &record, &confirm, stop);
        let present = Present { exec: apply::exec(&agent.spec_path), checks_builds: true, ..Present::default() };
        let (goal, options) = (Goal::Present(present), self.change.addresses.options(engine));
        let change = Change { graph: &agent.graph, goal, options, on_failure: OnFailure::Undo };
        let reporter = session.reporter(&agent.graph.run, None);
        let applied = record.closed(Box::pin(runner.run(change, reporter)).await)?;
        if applied != Exit::Done {
            return Ok(applied);
        }
        let named = Named::Spec(Box::new(agent.clone()));
        let (run, place) = self.exec.place(named, engine).await?;
        let request = self.exec.request(&place, self.command.clone());
        if let Some((name, keys)) = self.held.as_ref().filter(|_| request.tty && !self.json) {
            let user = place.user.clone();
            let held = HeldSessions { engine, run: &run, container: &place.container, user };
            let new = NewSession {
                name,
                keys,
                request: &request,
                audit_data: self.exec.audit_data(&place.container, &request),
            };
            if let Some(exit) = Box::pin(held.run(new, stop, session)).await? {
                return Ok(exit);
            }
        }
        let call = self.exec.call("run", &run, &place, &request);
        if self.json { call.capture(engine, session).await } else { call.attach(engine, session, stop).await }
    }

    /// Asks before `--rm` removes a sandbox that existed before.
    async fn agreed(&self, engine: &Docker, agent: &Agent, session: &Session) -> Result<(), CliError> {
        let nothing = Graph::empty(agent.graph.run.clone());
        let observed = observe(engine, &nothing).await?;
        if observed.containers.is_empty() {
            return Ok(());
        }
        let name = &agent.graph.run.agent;
        if !confirm::is_terminal() {
            let message = format!("`{name}` already exists and will be removed afterwards");
            session.warning(&message, "it is kept without `--rm`");
            return Ok(());
        }
        let options = Options { volumes: destroy::scratch(&agent.graph), ..Options::default() };
        let plan = compute(&nothing, &observed, &options);
        let Some(lost) = confirm::data_loss(engine, &observed, &plan).await else { return Ok(()) };
        let message = format!("`{name}` already exists and `--rm` removes it: {lost}");
        if ask::consent(&session.screen, &message) == Some(false) { Err(CliError::Declined) } else { Ok(()) }
    }

    /// Removes the sandbox. An interrupt of the command does not interrupt the removal.
    async fn remove(&self, engine: &Docker, agent: &Agent, session: &Session) -> Result<Exit, CliError> {
        let record = Record::open("run", engine)?;
        let confirm = Confirm::new(session, true);
        let stop = CancellationToken::new();
        let runner = self.runner(Command::Destroy, engine, &record, &confirm, &stop);
        let removal = destroy::removal(&agent.graph, destroy::scratch(&agent.graph), None);
        let reporter = session.reporter(&agent.graph.run, None);
        record.closed(Box::pin(runner.run(removal, reporter)).await)
    }

    fn runner<'a>(
        &'a self,
        command: Command,
        engine: &'a Docker,
        record: &'a Record<'a>,
        confirm: &'a Confirm<'a>,
        stop: &'a CancellationToken,
    ) -> Runner<'a> {
        let locking = &self.change.locking;
        Runner { command, engine, locking, record, confirm, stop, claims: Claims::default() }
    }
}

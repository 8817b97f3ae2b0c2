//! `moat run`: an apply, and a command in what it has brought about.
//!
//! What the apply tells goes to standard error: standard output is the command's.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use tokio_util::sync::CancellationToken;

use crate::cli::approval::Approving;
use crate::cli::args::exec_args::{Inside, attach, capture};
use crate::cli::args::locking::Locking;
use crate::cli::args::subnets::Addresses;
use crate::cli::asking::{self, Asking};
use crate::cli::commands::apply::{self, By};
use crate::cli::commands::completions::agents;
use crate::cli::commands::destroy::{self, Wanted};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::interrupt::{interruptible, unless};
use crate::cli::load::{Agent, Load};
use crate::cli::nearest;
use crate::cli::record::Record;
use crate::cli::selection::Selection;
use crate::cli::session::Session;
use crate::cli::target::Named;
use crate::observe::observe;
use crate::reconcile::{Claims, OnFailure};
use crate::ui::render::outcome::Command;
use crate::ui::terminal::ask;
use moat_docker::Docker;
use moat_model::graph::Graph;
use moat_plan::{Options, compute};

/// Apply the spec, then run a command in the sandbox
///
/// Progress is printed on standard error, and the exit code is the command's. With a terminal, Ctrl-C is sent to the
/// command. Without one, it stops waiting for the command; with --rm it also ends the command.
#[derive(Debug, Args)]
pub struct Run {
    /// Spec file or directory, agent name, or run id
    #[arg(value_name = "AGENT", default_value = nearest::spec(), add = ArgValueCandidates::new(agents))]
    agent: PathBuf,
    /// Remove the sandbox afterwards, like `moat destroy`
    #[arg(long)]
    rm: bool,
    #[command(flatten)]
    inside: Inside,
    #[command(flatten)]
    approving: Approving,
    #[command(flatten)]
    addresses: Addresses,
    #[command(flatten)]
    locking: Locking,
    /// Print the end of the output and the exit code as JSON
    #[arg(long, conflicts_with = "detach_keys")]
    pub(in crate::cli) json: bool,
    /// Command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub async fn run(args: &Run, session: &Session) -> Result<Exit, CliError> {
    let (fleet, engine) = Selection::find(session, std::slice::from_ref(&args.agent), Load::Full).await?;
    let mut agents = fleet.into_agents();
    let (Some(agent), true) = (agents.pop(), agents.is_empty()) else {
        let message = format!("`{}` contains several agents", args.agent.display());
        return Err(CliError::Usage { message, hint: "apply it, then use the name of one agent".to_owned() });
    };
    let stop = CancellationToken::new();
    if args.rm {
        args.agreed(&engine, &agent, session).await?;
    }
    let work = async {
        let record = Record::open("run", &engine)?;
        let passed = args.approving.pass_one(agent, session, &engine, &record);
        let agent = record.closed(unless(&stop, passed).await)?;
        let ran = Box::pin(args.apply_and_run(&engine, &agent, &stop, session)).await;
        // Who could not have the lock has not touched it, and an engine that is gone cannot be tidied up.
        let untouched = matches!(&ran, Ok(Exit::NoEngine)) || ran.as_ref().is_err_and(|error| !leaves_it_there(error));
        if !args.rm || untouched {
            return ran;
        }
        let removed = args.remove(&engine, &agent, session).await?;
        match ran? {
            Exit::Done | Exit::Of(0) => Ok(removed),
            exit => Ok(exit),
        }
    };
    Box::pin(interruptible(&session.screen, &stop, work)).await
}

/// Whether a command could not be run in a sandbox that has been brought about.
fn leaves_it_there(error: &CliError) -> bool {
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
    async fn apply_and_run(
        &self,
        engine: &Docker,
        agent: &Agent,
        stop: &CancellationToken,
        session: &Session,
    ) -> Result<Exit, CliError> {
        let record = Record::open("run", engine)?;
        let by = By {
            command: "run",
            locking: &self.locking,
            record: &record,
            claims: &Claims::default(),
            stop,
            pull: false,
            saved: None,
            asking: &Asking::new(session, false),
        };
        let how = (self.addresses.options(engine), OnFailure::Undo);
        let reporter = session.reporter(&agent.graph.run, None);
        let applied = record.closed(Box::pin(apply::one(engine, agent, how, &by, reporter)).await)?;
        if applied != Exit::Done {
            return Ok(applied);
        }
        let named = Named::Spec(Box::new(agent.clone()));
        let (run, place) = self.inside.place(named, engine).await?;
        let request = self.inside.request(&place, self.command.clone());
        let on_record = ("run", self.inside.on_record(&place, &request));
        if self.json {
            return capture((engine, &run, &place.container), &request, on_record, session).await;
        }
        attach((engine, &run, &place.container), &request, on_record, session, stop).await
    }

    /// A sandbox that was there before is removed as well. Whoever has work in it may not expect that.
    async fn agreed(&self, engine: &Docker, agent: &Agent, session: &Session) -> Result<(), CliError> {
        let nothing = Graph::empty(agent.graph.run.clone());
        let observed = observe(engine, &nothing).await?;
        if observed.containers.is_empty() {
            return Ok(());
        }
        let name = &agent.graph.run.agent;
        if !asking::is_terminal() {
            let message = format!("`{name}` already exists and will be removed afterwards");
            session.caution(&message, "it is kept without `--rm`");
            return Ok(());
        }
        let options = Options { volumes: destroy::scratch(&agent.graph), ..Options::default() };
        let plan = compute(&nothing, &observed, &options);
        let Some(lost) = asking::loses(engine, &observed, &plan).await else { return Ok(()) };
        let message = format!("`{name}` already exists and `--rm` removes it: {lost}");
        if ask::consent(&session.screen, &message) == Some(false) { Err(CliError::Declined) } else { Ok(()) }
    }

    /// An interrupt was about the command, not about the tidying up.
    async fn remove(&self, engine: &Docker, agent: &Agent, session: &Session) -> Result<Exit, CliError> {
        let record = Record::open("run", engine)?;
        let asking = Asking::new(session, true);
        let wanted =
            Wanted { of: Command::Destroy, grace: None, locking: &self.locking, record: &record, asking: &asking };
        let (reporter, consent) = (session.reporter(&agent.graph.run, None), destroy::scratch(&agent.graph));
        let stop = CancellationToken::new();
        let removal = destroy::one(engine, agent, consent, &wanted, reporter, &stop);
        record.closed(Box::pin(removal).await)
    }
}

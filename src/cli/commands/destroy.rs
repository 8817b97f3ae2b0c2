//! `moat destroy`: an apply of the empty graph.

use clap::Args;
use futures_util::future::try_join_all;
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

use crate::cli::args::locking::Locking;
use crate::cli::args::specs::Specs;
use crate::cli::args::stop_timeout::StopTimeout;
use crate::cli::confirm::Confirm;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::interrupt::interruptible;
use crate::cli::load::Load;
use crate::cli::record::{Confirmation, Record};
use crate::cli::runner::{Change, Goal, Runner};
use crate::cli::selection::Selection;
use crate::cli::session::Session;
use crate::reconcile::{Claims, OnFailure};
use crate::ui::render::outcome::Command;
use crate::ui::terminal::ask;
use moat_model::engine::{Engine, Filter};
use moat_model::graph::Graph;
use moat_model::resource::{Config, ResourceId, Retention};
use moat_plan::{Options, Volumes};

/// Remove the sandbox
///
/// Built images, and volumes that the spec declares, are kept.
#[derive(Debug, Args)]
pub struct Destroy {
    #[command(flatten)]
    specs: Specs,
    /// Also delete the volumes that are normally kept
    #[arg(long)]
    volumes: bool,
    #[command(flatten)]
    stop_timeout: StopTimeout,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    locking: Locking,
    /// Print events as JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Destroy, session: &Session) -> Result<Exit, CliError> {
    let (selection, engine) = Selection::find(session, &args.specs.paths(), Load::Identity).await?;
    let record = Record::open("destroy", &engine)?;
    if args.volumes {
        let agreed = if args.yes { "--yes" } else { agreed(&engine, &selection, session).await? };
        for agent in selection.agents() {
            record.consent(&agent.graph.run, &Confirmation::Lose("volumes"), agreed)?;
        }
    }
    // A consent to delete volumes covers the rest.
    let (stop, confirm) = (&CancellationToken::new(), &Confirm::new(session, args.yes || args.volumes));
    let (command, engine, locking, record) = (Command::Destroy, &engine, &args.locking, &record);
    let runner = Runner { command, engine, locking, record, confirm, stop, claims: Claims::default() };
    let work = selection.work(async |agent, reporter| {
        let volumes = args.consent(&agent.graph);
        runner.run(removal(&agent.graph, volumes, args.stop_timeout.seconds), reporter).await
    });
    record.closed(Box::pin(interruptible(&session.screen, stop, work)).await)
}

/// The removal of a sandbox. `grace` overrides the stop timeout of its containers, in seconds.
pub(in crate::cli) fn removal(graph: &Graph, volumes: Volumes, grace: Option<u32>) -> Change<'_> {
    let options = Options { volumes, grace, ..Options::default() };
    Change { graph, goal: Goal::Absent, options, on_failure: OnFailure::Keep }
}

/// Asks before volumes are deleted, if there are any. Returns how the user agreed.
async fn agreed<E: Engine>(engine: &E, selection: &Selection<'_>, session: &Session) -> Result<&'static str, CliError> {
    let filters: Vec<Filter> = selection.agents().map(|agent| Filter::Run(agent.graph.run.id.clone())).collect();
    let found = try_join_all(filters.iter().map(|filter| engine.volumes(filter))).await?;
    let names: Vec<_> = found.iter().flatten().map(|facts| format!("`{}`", facts.name)).collect();
    if names.is_empty() {
        return Ok("nothing to lose");
    }
    let message = format!("this deletes the data in {}", names.join(", "));
    match ask::consent(&session.screen, &message) {
        Some(false) => Err(CliError::Declined),
        Some(true) => Ok("asked"),
        None => {
            session.warning(&message, "without `--volumes`, moat keeps them");
            Err(CliError::NoTerminal)
        }
    }
}

impl Destroy {
    /// Warns that `-v` does not delete volumes, unlike `docker compose down -v`.
    pub(in crate::cli) fn warn_of_verbose(&self, verbose: u8, session: &Session) {
        if verbose > 0 && !self.volumes {
            session.warning("`-v` means `--verbose`: volumes are kept", "`--volumes` deletes them");
        }
    }

    /// The volumes that may be deleted, according to the current spec rather than the one that created them.
    fn consent(&self, graph: &Graph) -> Volumes {
        if self.volumes {
            return Volumes::All;
        }
        scratch(graph)
    }
}

/// The volumes that are deleted with the run, without asking.
pub(in crate::cli) fn scratch(graph: &Graph) -> Volumes {
    let retentions = graph.nodes().filter_map(|node| match &node.config {
        Config::Volume(volume) => Some((node.id.clone(), volume.retention)),
        _ => None,
    });
    Volumes::Scratch(retentions.collect::<BTreeMap<ResourceId, Retention>>())
}

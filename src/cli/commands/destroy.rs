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
use crate::cli::history_writer::HistoryWriter;
use crate::cli::interrupt::interruptible;
use crate::cli::load::{Agent, Load};
use crate::cli::record::{Consent, Record};
use crate::cli::report::Report;
use crate::cli::selection::Selection;
use crate::cli::session::Session;
use crate::reconcile::{Claims, OnFailure, Outcome, Terms, until_converged_on};
use crate::ui::Reporter;
use crate::ui::render::outcome::{Command, OutcomeKind};
use crate::ui::terminal::ask;
use moat_docker::Docker;
use moat_model::engine::{Engine, Filter};
use moat_model::graph::Graph;
use moat_model::resource::{Config, ResourceId, Retention};
use moat_model::state::Observed;
use moat_plan::event::Event;
use moat_plan::{Condition, Options, Plan, Volumes};

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

/// How sandboxes are removed.
pub(in crate::cli) struct DestroyContext<'a> {
    pub of: Command,
    /// Overrides the stop timeout of the containers, in seconds.
    pub grace: Option<u32>,
    pub locking: &'a Locking,
    pub record: &'a Record<'a>,
    pub confirm: &'a Confirm<'a>,
}

pub async fn run(args: &Destroy, session: &Session) -> Result<Exit, CliError> {
    let (selection, engine) = Selection::find(session, &args.specs.paths(), Load::Identity).await?;
    let record = Record::open("destroy", &engine)?;
    if args.volumes {
        let agreed = if args.yes { "--yes" } else { agreed(&engine, &selection, session).await? };
        for agent in selection.agents() {
            record.consent(&agent.graph.run, &Consent::Lose("volumes"), agreed)?;
        }
    }
    let stop = CancellationToken::new();
    // A consent to delete volumes covers the rest.
    let confirm = Confirm::new(session, args.yes || args.volumes);
    let (grace, locking, record) = (args.stop_timeout.seconds, &args.locking, &record);
    let context = DestroyContext { of: Command::Destroy, grace, locking, record, confirm: &confirm };
    let work = selection.work(async |agent, reporter| {
        destroy_agent(&engine, agent, args.consent(&agent.graph), &context, reporter, &stop).await
    });
    record.closed(Box::pin(interruptible(&session.screen, &stop, work)).await)
}

/// Removes the run of one agent and reports the result.
pub(in crate::cli) async fn destroy_agent(
    engine: &Docker,
    agent: &Agent,
    consent: Volumes,
    context: &DestroyContext<'_>,
    reporter: Reporter<'_>,
    stop: &CancellationToken,
) -> Result<Exit, CliError> {
    let history = HistoryWriter::start(engine, context.of.as_str());
    let graph = &agent.graph;
    let audited = context.record.of(graph);
    let tell = |event: Event<'_>| {
        audited.note(&event);
        history.note(&event);
        reporter.tell(&event);
    };
    let _lock = context.locking.lock(context.of.as_str(), &graph.run, engine, &tell, stop).await?;
    let nothing = Graph::empty(graph.run.clone());
    let options = Options { volumes: consent, grace: context.grace, ..Options::default() };
    let agrees =
        async |observed: &Observed, plan: &Plan| context.confirm.removal(&audited, graph, observed, plan, &tell).await;
    let terms = Terms { claims: &Claims::default(), on_failure: OnFailure::Keep, agrees };
    let outcome = until_converged_on(&audited, &nothing, options, terms, &tell, stop).await?;
    let outcome = context.confirm.unless_declined(outcome)?;
    let kept = match &outcome {
        Outcome::Converged { observed, .. } => volumes(observed),
        _ => Vec::new(),
    };
    let report = match &outcome {
        Outcome::Converged { changed, observed } => {
            let how = OutcomeKind::Gone { changed: *changed, kept: &kept, of: context.of };
            Report { how, exit: Exit::Done, condition: Some(Condition::Absent), observed: Some(observed.clone()) }
        }
        failure => Report::unsuccessful(engine, graph, failure, context.of).await,
    };
    report.publish(&graph.run, reporter, &history).await
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
            session.caution(&message, "nothing was done");
            Err(CliError::NoTerminal)
        }
    }
}

impl Destroy {
    /// Warns that `-v` does not delete volumes, unlike `docker compose down -v`.
    pub(in crate::cli) fn warn_of_verbose(&self, verbose: u8, session: &Session) {
        if verbose > 0 && !self.volumes {
            session.caution("`-v` means `--verbose`: volumes are kept", "`--volumes` deletes them");
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

fn volumes(observed: &Observed) -> Vec<String> {
    observed.volumes.iter().map(|facts| facts.name.clone()).collect()
}

//! `moat destroy`: the same rounds as an apply, against the empty graph.

use clap::Args;
use futures_util::future::try_join_all;
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

use crate::cli::args::grace::GracePeriod;
use crate::cli::args::locking::Locking;
use crate::cli::args::specs::Specs;
use crate::cli::asking::Asking;
use crate::cli::end::End;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::history_writer::HistoryWriter;
use crate::cli::interrupt::interruptible;
use crate::cli::load::{Agent, Load};
use crate::cli::record::{Consent, Record};
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
    grace: GracePeriod,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    locking: Locking,
    /// Print events as JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// What is wanted of a removal besides what is to be removed.
pub(in crate::cli) struct Wanted<'a> {
    pub of: Command,
    /// In place of the time that each container has to stop. In seconds.
    pub grace: Option<u32>,
    pub locking: &'a Locking,
    pub record: &'a Record<'a>,
    pub asking: &'a Asking<'a>,
}

pub async fn run(args: &Destroy, session: &Session) -> Result<Exit, CliError> {
    let (fleet, engine) = Selection::find(session, &args.specs.paths(), Load::Bare).await?;
    let record = Record::open("destroy", &engine)?;
    if args.volumes {
        let agreed = if args.yes { "--yes" } else { agreed(&engine, &fleet, session).await? };
        for agent in fleet.agents() {
            record.consent(&agent.graph.run, &Consent::Lose("volumes"), agreed)?;
        }
    }
    let stop = CancellationToken::new();
    // Who has agreed to lose the volumes is not asked about the rest.
    let asking = Asking::new(session, args.yes || args.volumes);
    let (grace, locking, record) = (args.grace.seconds, &args.locking, &record);
    let wanted = Wanted { of: Command::Destroy, grace, locking, record, asking: &asking };
    let work = fleet
        .work(async |agent, reporter| one(&engine, agent, args.consent(&agent.graph), &wanted, reporter, &stop).await);
    record.closed(Box::pin(interruptible(&session.screen, &stop, work)).await)
}

/// Removes the run of one agent, and tells how that ended.
pub(in crate::cli) async fn one(
    engine: &Docker,
    agent: &Agent,
    consent: Volumes,
    wanted: &Wanted<'_>,
    reporter: Reporter<'_>,
    stop: &CancellationToken,
) -> Result<Exit, CliError> {
    let chronicle = HistoryWriter::begin(engine, wanted.of.as_str());
    let graph = &agent.graph;
    let audited = wanted.record.of(graph);
    let tell = |event: Event<'_>| {
        audited.note(&event);
        chronicle.note(&event);
        reporter.tell(&event);
    };
    let _lock = wanted.locking.lock(wanted.of.as_str(), &graph.run, engine, &tell, stop).await?;
    let nothing = Graph::empty(graph.run.clone());
    let options = Options { volumes: consent, grace: wanted.grace, ..Options::default() };
    let agrees =
        async |observed: &Observed, plan: &Plan| wanted.asking.of_removal(&audited, graph, observed, plan, &tell).await;
    let terms = Terms { claims: &Claims::default(), on_failure: OnFailure::Keep, agrees };
    let outcome = until_converged_on(&audited, &nothing, options, terms, &tell, stop).await?;
    let outcome = wanted.asking.heeded(outcome)?;
    let kept = match &outcome {
        Outcome::Converged { observed, .. } => volumes(observed),
        _ => Vec::new(),
    };
    let end = match &outcome {
        Outcome::Converged { changed, observed } => {
            let how = OutcomeKind::Gone { changed: *changed, kept: &kept, of: wanted.of };
            End { how, exit: Exit::Done, condition: Some(Condition::Absent), observed: Some(observed.clone()) }
        }
        failure => End::unsuccessful(engine, graph, failure, wanted.of).await,
    };
    end.tell(&graph.run, reporter, &chronicle).await
}

/// Asks before data is lost, if there is data to lose. Gives who has agreed.
async fn agreed<E: Engine>(engine: &E, fleet: &Selection<'_>, session: &Session) -> Result<&'static str, CliError> {
    let filters: Vec<Filter> = fleet.agents().map(|agent| Filter::Run(agent.graph.run.id.clone())).collect();
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
            Err(CliError::NobodyToAsk)
        }
    }
}

impl Destroy {
    /// `down -v` of compose is about volumes, and whoever meant that should hear that they stay.
    pub(in crate::cli) fn warn_of_verbose(&self, verbose: u8, session: &Session) {
        if verbose > 0 && !self.volumes {
            session.caution("`-v` means `--verbose`: volumes are kept", "`--volumes` deletes them");
        }
    }

    /// Which volumes may go. What the spec says now counts, not what it said when a volume was made.
    fn consent(&self, graph: &Graph) -> Volumes {
        if self.volumes {
            return Volumes::All;
        }
        scratch(graph)
    }
}

/// The consent that nobody need be asked for: volumes that go with the run.
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

//! `moat stop`, `start` and `restart`: the rounds of an apply with another wish.
//!
//! That a sandbox is stopped is desired state, kept on the engine: `docs/decisions/` says how.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use tokio_util::sync::CancellationToken;

use crate::cli::approval::Approving;
use crate::cli::args::grace::GracePeriod;
use crate::cli::args::locking::Locking;
use crate::cli::args::subnets::Addresses;
use crate::cli::asking::Asking;
use crate::cli::commands::completions::containers;
use crate::cli::credentials::Notice;
use crate::cli::end::End;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::history_writer::HistoryWriter;
use crate::cli::interrupt::{interruptible, unless};
use crate::cli::load::Agent;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::reconcile::{Claims, OnFailure, Outcome, Terms, until_converged_on};
use crate::ui::render::outcome::Command;
use moat_docker::Docker;
use moat_model::state::{ContainerState, Observed};
use moat_plan::event::Event;
use moat_plan::{Options, Plan, Power};

/// Stop the sandbox without removing anything
///
/// The sandbox stays stopped until `moat start`: `apply` and `watch` do not start it.
#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    grace: GracePeriod,
    #[command(flatten)]
    locking: Locking,
    /// Print events as JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Start a stopped sandbox and wait until it is ready
#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    approving: Approving,
    #[command(flatten)]
    addresses: Addresses,
    #[command(flatten)]
    locking: Locking,
    /// Print events as JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Restart containers and wait until they are ready
///
/// A command that has exited is run again.
#[derive(Debug, Args)]
pub struct Restart {
    #[command(flatten)]
    target: Target,
    /// Limit to this container of the sandbox (repeatable)
    #[arg(short, long = "container", value_name = "NAME", add = ArgValueCandidates::new(containers))]
    containers: Vec<String>,
    /// End sessions in the sandbox without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    approving: Approving,
    #[command(flatten)]
    addresses: Addresses,
    #[command(flatten)]
    locking: Locking,
    /// Print events as JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// What is wanted of a sandbox.
struct DesiredSpec<'a> {
    agent: Agent,
    approving: Approving,
    options: Options,
    of: Command,
    locking: &'a Locking,
    again: String,
    /// Sessions may end without a question.
    yes: bool,
}

pub async fn stop(args: &Stop, session: &Session) -> Result<Exit, CliError> {
    let target = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = target.find(&engine).await?.present()?;
    let options = Options { power: Power::Stop, grace: args.grace.seconds, ..Options::default() };
    // Nothing of its spec takes effect.
    let agent = Agent::known(sandbox.graph_or_empty(), PathBuf::from(&sandbox.run.spec));
    let (approving, locking, again) = (Approving::default(), &args.locking, args.target.again());
    let wish = DesiredSpec { agent, approving, options, of: Command::Stop, locking, again, yes: true };
    carry_out(&engine, wish, session).await
}

pub async fn start(args: &Start, session: &Session) -> Result<Exit, CliError> {
    let target = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = target.find(&engine).await?.present()?;
    let options = Options { power: Power::Start, ..args.addresses.options(&engine) };
    let (agent, approving) = (sandbox.full()?, args.approving.clone());
    let (locking, again) = (&args.locking, args.target.again());
    let wish = DesiredSpec { agent, approving, options, of: Command::Start, locking, again, yes: true };
    carry_out(&engine, wish, session).await
}

pub async fn restart(args: &Restart, session: &Session) -> Result<Exit, CliError> {
    let target = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = target.find(&engine).await?.present()?;
    if sandbox.observed.is_stopped() {
        let message = format!("sandbox `{}` is stopped", sandbox.run.agent);
        return Err(CliError::Refused { message, hint: "`moat start` starts it".to_owned() });
    }
    let names = if args.containers.is_empty() { sandbox.container_names() } else { args.containers.clone() };
    let mut options = args.addresses.options(&engine);
    for name in &names {
        let facts = sandbox.container(name)?;
        if matches!(facts.state, ContainerState::Running | ContainerState::Exited) {
            options.restart.insert(facts.id.clone());
        }
    }
    let (agent, approving) = (sandbox.full()?, args.approving.clone());
    let (locking, again) = (&args.locking, args.target.again());
    let wish = DesiredSpec { agent, approving, options, of: Command::Restart, locking, again, yes: args.yes };
    carry_out(&engine, wish, session).await
}

async fn carry_out(engine: &Docker, wish: DesiredSpec<'_>, session: &Session) -> Result<Exit, CliError> {
    let DesiredSpec { agent, approving, options, of, locking, again, yes } = wish;
    let record = Record::open(of.as_str(), engine)?;
    let stop = CancellationToken::new();
    let asking = Asking::new(session, yes);
    let reporter = session.reporter(&agent.graph.run, None);
    let pulse = reporter.pulse();
    let work = pulse.beside(async {
        let graph = unless(&stop, approving.pass_one(agent, session, engine, &record)).await?.graph;
        let chronicle = HistoryWriter::begin(engine, of.as_str());
        let audited = record.of(&graph);
        let told = |event: Event<'_>| {
            audited.note(&event);
            chronicle.note(&event);
            reporter.tell(&event);
        };
        let notice = Notice::new(engine);
        let tell = |event: Event<'_>| {
            told(event.clone());
            notice.after(&event, &told);
        };
        let _lock = locking.lock(of.as_str(), &graph.run, engine, &tell, &stop).await?;
        // Nothing is taken back: all of it was there before.
        let claims = Claims::default();
        let agrees =
            async |observed: &Observed, plan: &Plan| asking.of_sessions(&audited, &graph, observed, plan, &tell).await;
        let terms = Terms { claims: &claims, on_failure: OnFailure::Keep, agrees };
        let outcome = until_converged_on(&audited, &graph, options, terms, &tell, &stop).await?;
        let outcome = asking.heeded(outcome)?;
        let exec = format!("moat exec{again}");
        let end = match &outcome {
            Outcome::Converged { observed, changed } => End::converged(&graph, (observed, *changed), None, &exec),
            failure => End::unsuccessful(engine, &graph, failure, of).await,
        };
        end.tell(&graph.run, reporter, &chronicle).await
    });
    record.closed(Box::pin(interruptible(&session.screen, &stop, work)).await)
}

//! `moat status`: the state of sandboxes and their resources.

use clap::Args;
use futures_util::future::join;
use jiff::SignedDuration;

use crate::cli::args::specs::Specs;
use crate::cli::decisions::{DecisionLog, is_since};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::load::Load;
use crate::cli::selection::Selection;
use crate::cli::session::Session;
use crate::cli::state_directory::state_directory;
use crate::clock::Clock;
use crate::history::{Place, RunRecord};
use crate::local::watching::{Note, Watching};
use crate::observe::{builds, observe, proof};
use crate::ui::render::net::{self, denied::Denied};
use crate::ui::render::status::{View, Watch};
use moat_docker::Docker;
use moat_model::engine::Engine;
use moat_model::graph::Graph;
use moat_model::resource::{ResourceId, Run};
use moat_model::state::Observed;
use moat_plan::{Condition, Options, compute, status};

/// The age of denials that are worth a line: those of what a user does at the moment.
const RECENT: SignedDuration = SignedDuration::from_hours(1);

/// How many log lines of a failed command to show.
const LOG_LINES: u32 = 10;

/// Show the state of the sandbox and its resources
///
/// The state is one of absent, converging, degraded, stopped, failed, completed and ready.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    specs: Specs,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Status, session: &Session) -> Result<Exit, CliError> {
    let (selection, engine) = Selection::find(session, &args.specs.paths(), Load::Full).await?;
    let selection = selection.seen(&engine).await?;
    selection.caution();
    let answer = selection.answer(async |agent| {
        let graph = &agent.graph;
        let observed = observe(&engine, graph).await?;
        let asked = (proof::proven(&engine, graph, &observed), asked_about_builds(&engine, graph, &observed));
        let (proven, (builds, cache_bytes)) = join(asked.0, asked.1).await;
        let plan = compute(graph, &observed, &Options { proven, ..Options::default() });
        let status = status(graph, &observed, &plan);
        let log = log(&engine, &observed, status.condition).await;
        let watch = watched(&engine, &graph.run);
        let denied = denied(&engine, &graph.run, &observed).await;
        let last_error = last_error(&engine, &graph.run).or_else(|| out_of_memory(&observed));
        let (run, builds, watch) = (&graph.run, builds.as_ref(), watch.as_ref());
        let last_error = last_error.as_deref();
        let view = View { run, status: &status, builds, cache_bytes, watch, denied: &denied, log: &log, last_error };
        Ok((Exit::Done, if args.json { view.json() } else { view.text(session.screen.data_colour()) }))
    });
    answer.await
}

/// What the gateway denied lately. An error is ignored, since the state is still useful.
async fn denied(engine: &Docker, run: &Run, observed: &Observed) -> Vec<Denied> {
    let Ok(mut log) = DecisionLog::of(engine, run, &observed.containers) else { return Vec::new() };
    let since = Clock::System.now().checked_sub(RECENT).ok();
    let all = log.read().await.unwrap_or_default();
    net::denied::denied(all.iter().filter(|line| is_since(line, since)))
}

/// The last log lines of a failed command. An error is ignored, since the state is still useful.
async fn log<E: Engine>(engine: &E, observed: &Observed, condition: Condition) -> Vec<String> {
    let main = ResourceId::main();
    match observed.containers_of(&main).last() {
        Some(facts) if condition == Condition::Failed => {
            engine.log_tail(&facts.id, LOG_LINES).await.unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// The error of the last moat command on the run, from its record.
fn last_error(engine: &Docker, run: &Run) -> Option<String> {
    let place = Place::of(&state_directory()?, &run.id, &engine.located().endpoint.to_string());
    let error = RunRecord::read(&place.record).ok()??.error?;
    Some(error.message)
}

/// An out-of-memory kill after the sandbox was ready, which no moat command has reported.
fn out_of_memory(observed: &Observed) -> Option<String> {
    let ended = observed.containers.iter().find(|facts| observed.out_of_memory.contains(&facts.id))?;
    Some(format!("`{}` ran out of memory and was killed", ended.name))
}

/// The status of a watch of the run, if one is running.
fn watched(engine: &Docker, run: &Run) -> Option<Watch> {
    let (holder, note) = Watching::of(&state_directory()?, &run.id, &engine.located().endpoint.to_string()).read()?;
    let Note { since, work, held, problem, sessions, last_error, left } = note;
    Some(Watch { pid: holder.pid, since, work, held, problem, sessions, last_error, left })
}

/// The target of builds, and the size of the cache in bytes.
async fn asked_about_builds<E: Engine>(
    engine: &E,
    graph: &Graph,
    observed: &Observed,
) -> (Option<builds::Builds>, Option<u64>) {
    let Some(wanted) = &graph.builds else { return (None, None) };
    join(builds::check(engine, graph, observed), builds::cache_bytes(engine, wanted, observed)).await
}

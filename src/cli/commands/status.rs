//! `moat status`: the state of sandboxes and their resources.

use clap::Args;
use futures_util::future::{join, join_all, join3};
use jiff::SignedDuration;

use crate::cli::across::Selected;
use crate::cli::args::specs::Specs;
use crate::cli::decisions::{DecisionLog, is_since};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::load::{Agent, Load};
use crate::cli::selection::{Answer, Selection, answered};
use crate::cli::session::Session;
use crate::cli::state_directory::state_directory;
use crate::clock::Clock;
use crate::history::{Place, RunRecord};
use crate::local::watching::{Note, Watching};
use crate::observe::network::{self, Proof};
use crate::observe::runs::{Found, runs};
use crate::observe::{builds, isolation, observe, proof};
use crate::ui::render::net::denied::{self, Denied};
use crate::ui::render::status::{RefusedGrant, View, Watch};
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
/// The state is one of absent, converging, degraded, stopped, failed, completed and ready. With `--context a,b` each sandbox is
/// looked up on several Docker contexts.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    specs: Specs,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Status, session: &Session) -> Result<Exit, CliError> {
    if session.several_contexts().is_some() {
        return across(args, session).await;
    }
    let (selection, engine) = Selection::find(session, &args.specs.paths(), Load::Full).await?;
    let selection = selection.seen(&engine).await?;
    selection.warn_of_unapproved();
    selection.answer(async |agent| shown(args, session, &engine, agent).await).await
}

/// The status of the selected sandboxes on several Docker contexts.
async fn across(args: &Status, session: &Session) -> Result<Exit, CliError> {
    let selected = Selected::load(session, &args.specs.paths(), Load::Full)?;
    let asked = session.connect_each().await.into_iter().map(async |(context, engine)| (context, found(engine).await));
    let (mut places, mut runs, mut exits) = (Vec::new(), Vec::new(), Vec::new());
    for (context, found) in join_all(asked).await {
        match found {
            Ok((engine, found)) => {
                let agents = selected.among(&found)?;
                runs.extend(found.into_iter().map(|it| it.run));
                places.push((context.map(|context| session.within(&context)), engine, agents));
            }
            Err(error) => exits.push(session.alert(context.as_deref(), &error)),
        }
    }
    let is_complete = exits.is_empty();
    for (name, error) in selected.unknown(&runs) {
        if is_complete {
            return Err(error);
        }
        exits.push(session.alert(None, &CliError::Unanswered { name }));
    }
    let mut groups: Vec<_> =
        places.iter_mut().map(|(place, engine, agents)| (place.as_ref(), &*engine, std::mem::take(agents))).collect();
    let absent = selected.absent(&runs);
    if let (true, Some((_, engine, _))) = (is_complete, groups.first()) {
        // Any of the engines can answer this.
        groups.push((None, *engine, absent.clone()));
    }
    let mut shown_agents = Vec::new();
    for (place, engine, agents) in groups {
        let selection = Selection::of(place.unwrap_or(session), agents).seen(engine).await?;
        selection.warn_of_unapproved();
        shown_agents.extend(selection.into_agents().into_iter().map(|agent| (place, engine, agent)));
    }
    let answers = join_all(shown_agents.iter().map(async |(place, engine, agent)| Answer {
        label: (shown_agents.len() > 1).then(|| label(place.and_then(|it| it.context.as_deref()), agent)),
        context: place.and_then(|it| it.context.as_deref()),
        run: &agent.graph.run,
        given: shown(args, place.unwrap_or(session), engine, agent).await,
    }));
    let mut answers = answers.await;
    answers.extend(absent.iter().filter(|_| !is_complete).map(|agent| {
        let run = &agent.graph.run;
        Answer { label: None, context: None, run, given: Err(CliError::Unanswered { name: run.agent.to_string() }) }
    }));
    exits.push(answered(session, answers)?);
    Ok(Exit::of_all(&exits))
}

/// A Docker host and its runs.
async fn found(engine: Result<Docker, CliError>) -> Result<(Docker, Vec<Found>), CliError> {
    let engine = engine?;
    let found = runs(&engine).await?;
    Ok((engine, found))
}

fn label(context: Option<&str>, agent: &Agent) -> String {
    let name = &agent.graph.run.agent;
    context.map_or_else(|| name.to_string(), |context| format!("{name}@{context}"))
}

/// The status of one sandbox.
async fn shown(args: &Status, session: &Session, engine: &Docker, agent: &Agent) -> Result<(Exit, String), CliError> {
    let graph = &agent.graph;
    let observed = observe(engine, graph).await?;
    let asked = (proof::proven(engine, graph, &observed), asked_about_builds(engine, graph, &observed));
    let walls = async {
        let maps_users = engine.maps_users().await.unwrap_or_default();
        isolation::isolation(engine, maps_users, graph, &observed).await
    };
    let (proven, (builds, cache_bytes), isolation) = join3(asked.0, asked.1, walls).await;
    let plan = compute(graph, &observed, &Options { proven, ..Options::default() });
    let mut status = status(graph, &observed, &plan);
    let unproven = unproven(engine, graph, &observed, &status).await;
    if unproven.is_some() {
        status.is_unproven();
    }
    let log = log(engine, &observed, status.condition).await;
    let watch = watched(engine, &graph.run);
    let denied = denied(engine, &graph.run, &observed).await;
    let last_error = unproven.or_else(|| last_error(engine, &graph.run)).or_else(|| out_of_memory(&observed));
    let view = View {
        run: &graph.run,
        context: session.context.as_deref(),
        status: &status,
        isolation: &isolation,
        builds: builds.as_ref(),
        cache_bytes,
        watch: watch.as_ref(),
        denied: &denied,
        refused: &refused(&observed),
        log: &log,
        last_error: last_error.as_deref(),
    };
    Ok((Exit::Done, if args.json { view.json() } else { view.text(session.screen.data_colour()) }))
}

/// The grants whose present value a server refused.
fn refused(observed: &Observed) -> Vec<RefusedGrant<'_>> {
    let grants = observed.policies.values().flat_map(|facts| &facts.grants);
    grants.filter_map(|(grant, facts)| Some(RefusedGrant { grant, time: facts.refused.as_deref()? })).collect()
}

/// What the gateway denied lately. An error is ignored, since the state is still useful.
async fn denied(engine: &Docker, run: &Run, observed: &Observed) -> Vec<Denied> {
    let Ok(mut log) = DecisionLog::of(engine, run, &observed.containers) else { return Vec::new() };
    let since = Clock::System.now().checked_sub(RECENT).ok();
    let all = log.read().await.unwrap_or_default();
    denied::denied(all.iter().filter(|line| is_since(line, since)))
}

/// Why the network policy of a sandbox that is ready otherwise is not in force, as seen from the main container. An
/// error is ignored, since the state is still useful.
async fn unproven(engine: &Docker, graph: &Graph, observed: &Observed, status: &moat_plan::Status) -> Option<String> {
    if status.condition != Condition::Ready {
        return None;
    }
    match network::look(engine, graph, observed).await {
        Ok(Proof::Fails(why)) => Some(why.failure()),
        _ => None,
    }
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

//! `moat list`: all runs with resources on this engine.

use std::io::ErrorKind;
use std::path::Path;

use clap::Args;
use futures_util::future::join_all;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::load;
use crate::cli::session::Session;
use crate::cli::state_directory::state_directory;
use crate::clock::Clock;
use crate::history::{Place, RunRecord};
use crate::observe::runs::{Found, runs};
use crate::ui::render::list::{self, Row};
use moat_docker::Docker;
use moat_model::resource::Run;

/// List all sandboxes on this Docker host
///
/// `file is gone` means that the spec does not exist on this host: it was deleted, or the sandbox was applied from another
/// host. `--context a,b` lists the sandboxes of several Docker contexts. With `--quiet` only run ids are printed, one per line.
#[derive(Debug, Args)]
pub struct List {
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &List, session: &Session) -> Result<Exit, CliError> {
    let engines = session.connect_each().await;
    let several = engines.len() > 1;
    let (mut found, mut exit) = (Vec::new(), Exit::Done);
    for (context, runs) in join_all(engines.into_iter().map(async |(name, engine)| (name, on(engine).await))).await {
        match runs {
            Ok(runs) => found.extend(runs.into_iter().map(|run| (context.clone().filter(|_| several), run))),
            Err(error) if several => exit = session.alert(context.as_deref(), &error),
            Err(error) => return Err(error),
        }
    }
    found.sort_by(|(_, a), (_, b)| a.run.id.cmp(&b.run.id));
    let rows: Vec<Row<'_>> =
        found.iter().map(|(context, found)| Row { context: context.as_deref(), ..row(found) }).collect();
    session.answer(&if args.json {
        list::json(&rows)
    } else if session.screen.is_quiet() {
        list::ids(&rows)
    } else {
        list::text(&rows, session.screen.data_colour())
    })?;
    if rows.is_empty() {
        session.screen.say(if several {
            "no sandboxes on these Docker hosts\n"
        } else {
            "no sandboxes on this Docker host\n"
        });
    }
    Ok(exit)
}

/// The runs on an engine.
async fn on(engine: Result<Docker, CliError>) -> Result<Vec<Found>, CliError> {
    let engine = engine?;
    let found = runs(&engine).await?;
    rebuild(&found, &engine);
    Ok(found)
}

/// Recreates missing run records from the engine's labels, silently, since the user did not ask for it.
fn rebuild(found: &[Found], engine: &Docker) {
    let Some(dir) = state_directory() else { return };
    let engine = engine.located().endpoint.to_string();
    for it in found {
        let place = Place::of(&dir, &it.run.id, &engine);
        if !place.record.exists() {
            let _ = RunRecord::of(&it.run, &engine, &it.observed, Clock::System.now()).write(&place);
        }
    }
}

pub fn row(found: &Found) -> Row<'_> {
    let (run, observed) = (&found.run, &found.observed);
    Row { run, observed, context: None, orphaned: orphaned(run), now: Clock::System.now() }
}

/// Why a run has no spec any more. `None`: it has one, or that is unknown.
///
/// Only files on this host can be checked: a run applied from another host looks orphaned as well.
fn orphaned(run: &Run) -> Option<&'static str> {
    let path = Path::new(&run.spec);
    match path.symlink_metadata() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Some("file is gone"),
        // An unreadable directory may contain it.
        Err(_) => None,
        Ok(_) => match load::bare(path) {
            Ok(graphs) if graphs.iter().all(|graph| graph.run.agent != run.agent) => Some("names another agent"),
            _ => None,
        },
    }
}

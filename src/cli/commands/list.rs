//! `moat list`: all runs with resources on this engine.

use std::io::ErrorKind;
use std::path::Path;

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::load;
use crate::cli::record::state_directory;
use crate::cli::session::Session;
use crate::clock::Clock;
use crate::history::{Place, RunRecord};
use crate::observe::runs::{Found, runs};
use crate::ui::render::list::{self, Row};
use moat_docker::Docker;
use moat_model::resource::Run;

/// List all sandboxes on this Docker host
///
/// `file is gone` means that the spec does not exist on this host: it was deleted, or the sandbox was applied from another
/// host. With `--quiet` only run ids are printed, one per line.
#[derive(Debug, Args)]
pub struct List {
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &List, session: &Session) -> Result<Exit, CliError> {
    let engine = session.connect().await?;
    let found = runs(&engine).await?;
    rebuild(&found, &engine);
    let rows: Vec<Row<'_>> = found.iter().map(row).collect();
    session.answer(&if args.json {
        list::json(&rows)
    } else if session.screen.is_quiet() {
        list::ids(&rows)
    } else {
        list::text(&rows, session.screen.data_colour())
    })?;
    if rows.is_empty() {
        session.screen.say("no sandboxes on this Docker host\n");
    }
    Ok(Exit::Done)
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
    Row { run: &found.run, observed: &found.observed, orphaned: orphaned(&found.run), now: Clock::System.now() }
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

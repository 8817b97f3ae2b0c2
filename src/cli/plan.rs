//! `moat plan`: what an apply would do, and why.

use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::exit::Exit;
use super::load::{self, DEFAULT_SPEC};
use super::session::Session;
use crate::observe::observe;
use crate::plan::{Options, compute};
use crate::ui;

/// Show what `apply` would do, and why, without doing it
#[derive(Debug, Args)]
pub struct Plan {
    /// The spec file, or its directory
    #[arg(value_name = "SPEC", default_value = DEFAULT_SPEC)]
    spec: PathBuf,
    /// Exit with 2 if there is something to change
    #[arg(long)]
    detailed_exitcode: bool,
    /// One JSON document in place of text
    #[arg(long)]
    pub(super) json: bool,
}

pub async fn run(args: &Plan, session: &Session) -> Result<Exit, CliError> {
    let graph = load::graph(&args.spec)?;
    let engine = session.connect().await?;
    let observed = observe(&engine, &graph).await?;
    let plan = compute(&graph, &observed, &Options::default());
    session.answer(&if args.json {
        ui::plan::json(&graph.run, &plan)
    } else {
        let spec = load::file(&args.spec).display().to_string();
        ui::plan::text(&graph.run, &spec, &plan, session.screen.data_colour())
    })?;
    Ok(if args.detailed_exitcode && plan.changes() { Exit::Changes } else { Exit::Done })
}

//! `moat net denied`: what a sandbox's gateway denied.

use clap::Args;
use jiff::Timestamp;

use super::{Decided, decided};
use crate::cli::commands::logs::since;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::ui::render::net::denied::{denied, json, text};

/// Show what the gateway denied, one line per host
///
/// TIME is a date or time, as in `2026-01-02` or `2026-01-02T03:04:05Z`, or an age, as in `10m` or `2d`.
#[derive(Debug, Args)]
pub struct Denied {
    #[command(flatten)]
    target: Target,
    /// Show only denials after TIME
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Print a JSON document
    #[arg(long)]
    pub(super) json: bool,
}

pub async fn run(args: &Denied, session: &Session) -> Result<Exit, CliError> {
    let Decided { sandbox, lines } = decided(&args.target, args.since, session).await?;
    let found = denied(lines.iter());
    session.answer(&if args.json { json(&sandbox.run, &found) } else { text(&found) })?;
    if found.is_empty() {
        session.screen.say("the gateway has denied nothing\n");
    }
    Ok(Exit::Done)
}

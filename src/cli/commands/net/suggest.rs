//! `moat net suggest`: rules for what a sandbox's gateway has recorded.

use clap::Args;
use jiff::Timestamp;

use super::{Decided, decided, reach};
use crate::cli::commands::logs::since;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::ui::render::net::check::Reach;
use crate::ui::render::net::suggest::Suggestion;

/// Suggest rules for what was denied or only recorded
///
/// Prints lines for `agent.yaml`. Review them before you add them: the names come from the sandbox. TIME is a date or
/// time, as in `2026-01-02` or `2026-01-02T03:04:05Z`, or an age, as in `10m` or `2d`.
#[derive(Debug, Args)]
pub struct Suggest {
    #[command(flatten)]
    target: Target,
    /// Use only entries after TIME
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Print a JSON document
    #[arg(long)]
    pub(super) json: bool,
}

pub async fn run(args: &Suggest, session: &Session) -> Result<Exit, CliError> {
    let Decided { sandbox, lines } = decided(&args.target, args.since, session).await?;
    let reach = sandbox.agent.as_ref().map(|agent| reach(&agent.graph)).transpose()?;
    let policy = match &reach {
        Some(Reach::Policy(policy)) => Some(policy),
        _ => None,
    };
    let suggestion = Suggestion::of(lines.iter(), policy);
    session.answer(&if args.json { suggestion.json(&sandbox.run) } else { suggestion.text() })?;
    if suggestion.is_empty() {
        session.screen.say("nothing to suggest: the rules allow everything that was asked for\n");
    }
    Ok(Exit::Done)
}

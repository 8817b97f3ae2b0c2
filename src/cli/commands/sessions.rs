//! `moat sessions`: lists the terminal sessions of a sandbox.

use clap::Args;

use crate::cli::args::exec_args::ExecArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::held::HeldSessions;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::clock::Clock;
use crate::ui::render::sessions::View;

/// List the sandbox's terminal sessions of coding agents
///
/// `moat attach` connects to one. The last ones that ended are listed with their exit codes.
#[derive(Debug, Args)]
pub struct Sessions {
    #[command(flatten)]
    target: Target,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Sessions, session: &Session) -> Result<Exit, CliError> {
    let (engine, run, place) = ExecArgs::with(Vec::new()).find(&args.target, session).await?;
    let held = HeldSessions { engine: &engine, run: &run, container: &place.container, user: place.user.clone() };
    let sessions = held.list().await?.unwrap_or_default();
    let view = View { run: &run, sessions: &sessions, now: Clock::System.now() };
    session.answer(&if args.json { view.json() } else { view.text() })?;
    Ok(Exit::Done)
}

//! `moat stop`: stops all containers and keeps the sandbox stopped.

use std::path::PathBuf;

use clap::Args;

use crate::cli::approval::ApprovalArgs;
use crate::cli::args::locking::Locking;
use crate::cli::args::stop_timeout::StopTimeout;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::load::Agent;
use crate::cli::power::PowerChange;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::ui::render::outcome::Command;
use moat_plan::{Options, Power};

/// Stop the sandbox without removing anything
///
/// The sandbox stays stopped until `moat start`: `apply` and `watch` do not start it.
#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    grace: StopTimeout,
    #[command(flatten)]
    locking: Locking,
    /// Print events as JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Stop, session: &Session) -> Result<Exit, CliError> {
    let target = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = target.find(&engine).await?.present()?;
    let options = Options { power: Power::Stop, grace: args.grace.seconds, ..Options::default() };
    // Stopping applies nothing of the spec, so it needs no approval.
    let agent = Agent::known(sandbox.graph_or_empty(), PathBuf::from(&sandbox.run.spec));
    let (approving, locking, target) = (ApprovalArgs::default(), &args.locking, args.target.as_argument());
    let change = PowerChange { agent, approving, options, command: Command::Stop, locking, target, yes: true };
    change.run(&engine, session).await
}

//! `moat start`: starts a stopped sandbox.

use clap::Args;

use crate::cli::args::change_args::ChangeArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::power::PowerChange;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::ui::render::outcome::Command;
use moat_plan::{Options, Power};

/// Start a stopped sandbox and wait until it is ready
#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    change: ChangeArgs,
    /// Print events as JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Start, session: &Session) -> Result<Exit, CliError> {
    let target = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = target.find(&engine).await?.present()?;
    let options = Options { power: Power::Start, ..args.change.addresses.options(&engine) };
    let (agent, approving) = (sandbox.full()?, args.change.approving.clone());
    let (locking, target) = (&args.change.locking, args.target.as_argument());
    let change = PowerChange { agent, approving, options, command: Command::Start, locking, target, yes: true };
    change.run(&engine, session).await
}

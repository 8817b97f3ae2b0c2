//! `moat restart`: restarts containers that exist, without replacing them.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::args::change_args::ChangeArgs;
use crate::cli::candidates::containers;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::power::PowerChange;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::ui::render::outcome::Command;
use moat_model::state::ContainerState;

/// Restart containers and wait until they are ready
///
/// A command that has exited is run again.
#[derive(Debug, Args)]
pub struct Restart {
    #[command(flatten)]
    target: Target,
    /// Limit to this container of the sandbox (repeatable)
    #[arg(short, long = "container", value_name = "NAME", add = ArgValueCandidates::new(containers))]
    containers: Vec<String>,
    /// End sessions in the sandbox without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    change: ChangeArgs,
    /// Print events as JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Restart, session: &Session) -> Result<Exit, CliError> {
    let target = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = target.find(&engine).await?.present()?;
    if sandbox.observed.is_stopped() {
        let message = format!("sandbox `{}` is stopped", sandbox.run.agent);
        return Err(CliError::Refused { message, hint: "`moat start` starts it".to_owned() });
    }
    let names = if args.containers.is_empty() { sandbox.container_names() } else { args.containers.clone() };
    let mut options = args.change.addresses.options(&engine);
    for name in &names {
        let facts = sandbox.container(name)?;
        if matches!(facts.state, ContainerState::Running | ContainerState::Exited) {
            options.restart.insert(facts.id.clone());
        }
    }
    let (agent, approving) = (sandbox.full()?, args.change.approving.clone());
    let (locking, target) = (&args.change.locking, args.target.as_argument());
    let change = PowerChange { agent, approving, options, command: Command::Restart, locking, target, yes: args.yes };
    change.run(&engine, session).await
}

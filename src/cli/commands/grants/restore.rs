//! `moat grants restore`: gives a revoked credential back, by an apply.

use clap::Args;

use super::unknown;
use crate::cli::args::change_args::ChangeArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::power::PowerChange;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::ui::render::outcome::Command;
use moat_model::resource::{Kind, ResourceId};

/// Give a revoked credential back to the sandbox
#[derive(Debug, Args)]
pub struct Restore {
    /// Grant, as in the spec
    #[arg(value_name = "NAME")]
    grant: String,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    change: ChangeArgs,
    /// Print events as JSON lines
    #[arg(long)]
    pub(super) json: bool,
}

pub async fn run(args: &Restore, session: &Session) -> Result<Exit, CliError> {
    let named = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?.present()?;
    let agent = sandbox.full()?;
    let grants = agent.graph.nodes().filter(|node| node.id.kind == Kind::Grant);
    let known: Vec<String> = grants.map(|node| node.id.name.clone()).collect();
    if !known.contains(&args.grant) {
        return Err(unknown(&args.grant, sandbox.run.agent.as_str(), &known));
    }
    let mut options = args.change.addresses.options(&engine);
    options.restored.insert(ResourceId::grant(args.grant.as_str()));
    let approving = args.change.approving.clone();
    let (locking, target) = (&args.change.locking, args.target.as_argument());
    let change = PowerChange { agent, approving, options, command: Command::Restore, locking, target, yes: false };
    change.run(&engine, session).await
}

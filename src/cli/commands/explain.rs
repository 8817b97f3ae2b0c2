//! `moat explain`: what a key of the spec means, and what changing it does.

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::ui::json::documents;
use moat_spec::{explain, explained};

/// Explain a key of `agent.yaml`: what it may be, its default, and what changing it does to a running sandbox
#[derive(Debug, Args)]
pub struct Explain {
    /// The key, with dots between levels, as in `container.memory`; without one all keys are listed
    #[arg(value_name = "KEY")]
    key: Option<String>,
    /// One JSON document in place of text; without a key it has those of all levels
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub fn run(args: &Explain, session: &Session) -> Result<Exit, CliError> {
    let key = args.key.as_deref();
    session.answer(&if args.json { documents::keys(&explained(key)?) } else { explain(key)? })?;
    Ok(Exit::Done)
}

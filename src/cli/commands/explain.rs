//! `moat explain`: describes the keys of the spec.

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::ui::json::documents;
use moat_spec::{explain, explained};

/// Describe the keys of `agent.yaml`
///
/// Shows the allowed values of a key, its default, and the effect of a change on a running sandbox.
#[derive(Debug, Args)]
pub struct Explain {
    /// Key to describe, as in `container.memory` [default: all]
    #[arg(value_name = "KEY")]
    key: Option<String>,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub fn run(args: &Explain, session: &Session) -> Result<Exit, CliError> {
    let key = args.key.as_deref();
    session.answer(&if args.json { documents::keys(&explained(key)?) } else { explain(key)? })?;
    Ok(Exit::Done)
}

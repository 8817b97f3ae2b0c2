//! `moat schema`: the form of the spec, for editors.

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use moat_spec::schema;

/// Write the JSON Schema of `agent.yaml`, with which an editor completes and explains keys
#[derive(Debug, Args)]
pub struct Schema {
    /// It is a JSON document in any case
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub fn run(_: &Schema, session: &Session) -> Result<Exit, CliError> {
    session.answer(&schema())?;
    Ok(Exit::Done)
}

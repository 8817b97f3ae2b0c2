//! `moat schema`: prints the JSON Schema of the spec.

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use moat_spec::schema;

/// Print the JSON Schema of `agent.yaml`, for editors
#[derive(Debug, Args)]
pub struct Schema {
    /// Accepted for consistency: the schema is always JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub fn run(_: &Schema, session: &Session) -> Result<Exit, CliError> {
    session.answer(&schema())?;
    Ok(Exit::Done)
}

//! `moat schema`: the form of the spec, for editors.

use clap::Args;

use super::error::CliError;
use super::exit::Exit;
use super::session::Session;
use moat_spec::schema;

/// Write the JSON Schema of `agent.yaml`, with which an editor completes and explains keys
#[derive(Debug, Args)]
pub struct Schema {
    /// It is a JSON document in any case
    #[arg(long)]
    pub(super) json: bool,
}

pub fn run(_: &Schema, session: &Session) -> Result<Exit, CliError> {
    session.answer(&schema())?;
    Ok(Exit::Done)
}

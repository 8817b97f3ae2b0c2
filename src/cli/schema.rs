//! `moat schema`: the form of the spec, for editors.

use clap::Args;

use super::error::CliError;
use super::exit::Exit;
use super::session::Session;
use crate::spec::schema;

/// Write the JSON Schema of `agent.yaml`, with which an editor completes and explains keys
#[derive(Debug, Args)]
pub struct Schema {}

pub fn run(_: &Schema, session: &Session) -> Result<Exit, CliError> {
    session.answer(&schema())?;
    Ok(Exit::Done)
}

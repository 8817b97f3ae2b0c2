//! `moat exec`: a command in a container of the sandbox, with the user's own streams.

use clap::Args;

use super::error::CliError;
use super::exit::Exit;
use super::inside::{Inside, attach};
use super::session::Session;
use super::target::Target;
use crate::ui;

/// Run a command in the sandbox, with this terminal and its exit code
#[derive(Debug, Args)]
pub struct Exec {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    inside: Inside,
    /// Give the end of its output and its exit code as one JSON document; it reads no input then
    #[arg(long, conflicts_with = "detach_keys")]
    pub(super) json: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub async fn run(args: &Exec, session: &Session) -> Result<Exit, CliError> {
    let (engine, container) = args.inside.find(&args.target, session).await?;
    let request = args.inside.request(args.command.clone());
    if !args.json {
        return attach(&engine, &container, &request, session).await;
    }
    let ran = engine.capture(&container, &request).await?;
    session.answer(&ui::exec::json(&ran))?;
    Ok(u8::try_from(ran.exit_code).map_or(Exit::Failed, Exit::Of))
}

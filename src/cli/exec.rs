//! `moat exec`: a command in a container of the sandbox, with the user's own streams.

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::error::CliError;
use super::exit::Exit;
use super::inside::{Inside, attach, capture};
use super::session::Session;
use super::target::Target;

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
    let (engine, run, container) = args.inside.find(&args.target, session).await?;
    let request = args.inside.request(args.command.clone());
    let on_record = args.inside.on_record(&container, &request);
    if !args.json {
        return attach((&engine, &run, &container), &request, ("exec", on_record), session, &CancellationToken::new())
            .await;
    }
    capture((&engine, &run, &container), &request, ("exec", on_record), session).await
}

//! `moat exec`: a command in a container of the sandbox, with the user's own streams.

use clap::Args;

use super::error::CliError;
use super::exit::Exit;
use super::inside::{EXEC_RUN, Inside, attach};
use super::record::Record;
use super::session::Session;
use super::target::Target;
use crate::engine::docker::Captured;
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
    let place = args.inside.find(&args.target, session).await?;
    let request = args.inside.request(args.command.clone());
    let on_record = args.inside.on_record(&place.2, &request);
    if !args.json {
        return attach(&place, &request, ("exec", on_record), session).await;
    }
    let (engine, run, container) = &place;
    let work = async { Ok(engine.capture(container, &request).await?) };
    let code = |ran: &Captured| Some(ran.exit_code);
    let ran = Record::open("exec", engine)?.session(run, EXEC_RUN, on_record, work, code).await?;
    session.answer(&ui::exec::json(&ran))?;
    Ok(u8::try_from(ran.exit_code).map_or(Exit::Failed, Exit::Of))
}

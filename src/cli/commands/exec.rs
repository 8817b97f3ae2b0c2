//! `moat exec`: runs a command in a container of the sandbox.

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::args::exec_args::{EXEC_RUN, ExecArgs, attach, capture};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::cli::target::Target;
use moat_docker::AttachRequest;

/// Run a command in the sandbox
///
/// Standard input is passed to the command, and a terminal is allocated if moat has one. The exit code is the
/// command's: 126 if it cannot be executed, 127 if it does not exist. The command keeps running when moat is killed or
/// its terminal is closed, unless `--kill-on-exit` is given, which needs `sh` and `/tmp` in the container.
#[derive(Debug, Args)]
pub struct Exec {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    process: ExecArgs,
    #[command(flatten)]
    mode: Mode,
    /// Print the end of the output and the exit code as JSON
    #[arg(long, conflicts_with = "detach_keys")]
    pub(in crate::cli) json: bool,
    /// Command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Args)]
struct Mode {
    /// Run in the background and discard the output
    #[arg(short, long, conflicts_with_all = ["json", "detach_keys", "kill_on_exit"])]
    detach: bool,
    /// Kill the command when moat exits or its terminal closes
    #[arg(long)]
    kill_on_exit: bool,
}

pub async fn run(args: &Exec, session: &Session) -> Result<Exit, CliError> {
    let (engine, run, place) = args.process.find(&args.target, session).await?;
    let kill_on_exit = args.mode.kill_on_exit;
    let request = AttachRequest { kill_on_exit, ..args.process.request(&place, args.command.clone()) };
    let audit_data = args.process.audit_data(&place, &request);
    let container = place.container;
    if args.mode.detach {
        let work = async { Ok(Box::pin(engine.detach(&container, &request)).await?) };
        Record::open("exec", &engine)?.session(&run, EXEC_RUN, audit_data, work, |()| None).await?;
        return Ok(Exit::Done);
    }
    if !args.json {
        return attach((&engine, &run, &container), &request, ("exec", audit_data), session, &CancellationToken::new())
            .await;
    }
    capture((&engine, &run, &container), &request, ("exec", audit_data), session).await
}

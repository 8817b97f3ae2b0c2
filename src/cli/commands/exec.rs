//! `moat exec`: runs a command in a container of the sandbox.

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::args::exec_args::ExecArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
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
    let call = args.process.call("exec", &run, &place, &request);
    if args.mode.detach {
        call.detach(&engine).await
    } else if args.json {
        call.capture(&engine, session).await
    } else {
        call.attach(&engine, session, &CancellationToken::new()).await
    }
}

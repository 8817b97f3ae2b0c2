//! `moat shell`: opens a shell in the sandbox.

use std::io::{self, IsTerminal};

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::args::exec_args::ExecArgs;
use crate::cli::environment::{all_of, lowercase};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::load_error::LoadError;
use crate::cli::session::Session;
use crate::cli::target::Target;

/// Open a shell (bash or sh) in the sandbox
///
/// Standard input is passed to the shell, and the exit code is the shell's.
#[derive(Debug, Args)]
pub struct Shell {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    exec: ExecArgs,
    /// Run a script from standard input and print JSON
    #[arg(long, conflicts_with = "detach_keys")]
    pub(in crate::cli) json: bool,
}

/// Not a login shell, which would read the image's profile and change the directory.
const FIND: &str = "command -v bash >/dev/null 2>&1 && exec bash; exec sh";

/// In bytes. Linux limits one argument to 128 KiB.
const SCRIPT_MAX: usize = 120 * 1024;

/// Runs the script in the next argument.
const FIND_FOR: &str = "command -v bash >/dev/null 2>&1 && exec bash -c \"$0\"; exec sh -c \"$0\"";

pub async fn run(args: &Shell, session: &Session) -> Result<Exit, CliError> {
    if args.json {
        return script(args, session).await;
    }
    let (engine, run, place) = args.exec.find(&args.target, session).await?;
    let request = args.exec.request(&place, ["sh", "-c", FIND].map(str::to_owned).to_vec());
    args.exec.call("shell", &run, &place, &request).attach(&engine, session, &CancellationToken::new()).await
}

/// Runs a script from standard input, which is read completely first.
async fn script(args: &Shell, session: &Session) -> Result<Exit, CliError> {
    if io::stdin().is_terminal() {
        let message = "`--json` runs a script from standard input, but standard input is a terminal".to_owned();
        let hint = "pipe a script, or run a command: `moat exec --json -- COMMAND`".to_owned();
        return Err(CliError::Usage { message, hint });
    }
    let script = all_of(io::stdin().lock()).map_err(|source| {
        let refused = LoadError::Unreadable { name: "standard input".to_owned(), why: lowercase(&source) };
        CliError::Load(vec![refused])
    })?;
    if script.len() > SCRIPT_MAX {
        let message = format!("the script on standard input is larger than {} KiB", SCRIPT_MAX / 1024);
        return Err(CliError::Usage {
            message,
            hint: "copy it into the sandbox with `moat cp`, and run it there".to_owned(),
        });
    }
    let (engine, run, place) = args.exec.find(&args.target, session).await?;
    let request = args.exec.request(&place, ["sh", "-c", FIND_FOR, &script].map(str::to_owned).to_vec());
    args.exec.call("shell", &run, &place, &request).capture(&engine, session).await
}

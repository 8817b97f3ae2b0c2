//! `moat gateway`: the program in the container of an egress gateway.
//!
//! Not a command for users: moat starts it in an image that it makes from its own executable, and calls it there by exec.
//! So it has a parser of its own, and no help mentions it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use moat_gateway::{Config, Gateway, Options, Request, Secret, ask, protect_memory};
use moat_policy::GrantName;
use tokio_util::sync::CancellationToken;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::interrupt::stoppable;
use crate::cli::logging;
use crate::cli::session::{EngineChoice, Form, Session};
use crate::ui::{ColourChoice, Screen};

/// The gateway of a sandbox's network
#[derive(Debug, Parser)]
#[command(name = "moat gateway")]
struct Program {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serve until SIGTERM
    Run {
        /// Configuration, a JSON file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Put the policy on standard input in force, and print the status
    Set {
        /// Folder of the gateway's state
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
    },
    /// Give the values on standard input to grants, and print the status
    Unlock {
        /// Folder of the gateway's state
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
    },
    /// Take the values of grants away, and print the status
    Lock {
        /// Folder of the gateway's state
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// Grants
        #[arg(required = true, value_name = "GRANT")]
        grants: Vec<GrantName>,
    },
    /// Print the status
    Status {
        /// Folder of the gateway's state
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
    },
}

/// Whether this process is a gateway, or a call in its container.
pub(super) fn is_requested(arguments: &[OsString]) -> bool {
    arguments.get(1).is_some_and(|word| word == OsStr::new("gateway"))
}

/// Runs the program.
pub(super) fn run(arguments: &[OsString]) -> Exit {
    let program = match Program::try_parse_from(&arguments[1..]) {
        Ok(program) => program,
        Err(error) => return super::usage(&error),
    };
    let logs = logging::start(0);
    let session = Session::new(Screen::system(ColourChoice::Never, false, logs), EngineChoice::Default, Form::Text);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return session.refuse(&CliError::Runtime(error)),
    };
    match runtime.block_on(act(program.action, &session)) {
        Ok(()) => Exit::Done,
        Err(error) => session.refuse(&error),
    }
}

async fn act(action: Action, session: &Session) -> Result<(), CliError> {
    let (state, request) = match action {
        Action::Run { config } => return serve(config).await,
        Action::Set { state } => (state, Request::Set(serde_json::from_reader(io::stdin().lock()).map_err(refused)?)),
        Action::Unlock { state } => (state, Request::Unlock(values()?)),
        Action::Lock { state, grants } => (state, Request::Lock(grants)),
        Action::Status { state } => (state, Request::Status),
    };
    let status = ask(&state, &request).await.map_err(refused)?;
    let status = serde_json::to_string(&status).map_err(refused)?;
    session.answer(&format!("{status}\n"))
}

/// The values on standard input: JSON, by grant. An error does not quote them.
fn values() -> Result<BTreeMap<GrantName, Secret>, CliError> {
    protect_memory().map_err(refused)?;
    serde_json::from_reader(io::stdin().lock()).map_err(|_| refused("the values are not readable"))
}

async fn serve(path: PathBuf) -> Result<(), CliError> {
    let text = std::fs::read_to_string(&path).map_err(refused)?;
    let config = Config::from_json(&text).map_err(refused)?;
    protect_memory().map_err(refused)?;
    let stop = CancellationToken::new();
    // From the start on: as the first process of a container it would otherwise ignore the signal.
    let serve = async {
        let gateway = Gateway::start(config, Options::default()).await.map_err(refused)?;
        stop.cancelled().await;
        gateway.stop().await;
        Ok(())
    };
    stoppable(&stop, serve).await
}

fn refused(error: impl std::fmt::Display) -> CliError {
    CliError::Refused {
        message: format!("gateway: {error}"),
        hint: "see `docs/internals/gateway.md` in moat's sources".into(),
    }
}

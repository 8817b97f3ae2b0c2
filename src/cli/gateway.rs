//! `moat gateway`: the program in the container of an egress gateway.
//!
//! Not a command for users: moat starts it in an image that it makes from its own executable, and calls it there by exec.
//! So it has a parser of its own, and no help mentions it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand};
use moat_gateway::{Config, ControlError, Gateway, GrantValue, Options, Request, Status, ask, protect_memory};
use moat_model::engine::request::ADDRESS;
use moat_policy::GrantName;
use tokio::time::{Instant, sleep};
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
        #[arg(long, value_name = "FILE", required_unless_present = "json")]
        config: Option<PathBuf>,
        /// Configuration as JSON
        #[arg(long, value_name = "JSON", conflicts_with = "config")]
        json: Option<String>,
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
    /// Take the values of grants away until they are restored, and print the status
    Revoke {
        /// Folder of the gateway's state
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// Grants
        #[arg(required = true, value_name = "GRANT")]
        grants: Vec<GrantName>,
    },
    /// Print the policy in force, then the status
    Status {
        /// Folder of the gateway's state
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
    },
}

/// How long a gateway may take to open its socket after the start of its container.
const START: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);

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
        Action::Run { config, json } => return serve(config, json).await,
        Action::Set { state } => (state, Request::Set(serde_json::from_reader(io::stdin().lock()).map_err(refused)?)),
        Action::Unlock { state } => (state, Request::Unlock(values()?)),
        Action::Revoke { state, grants } => (state, Request::Revoke(grants)),
        Action::Status { state } => (state, Request::Status),
    };
    let status = patient(&state, &request).await.map_err(refused)?;
    let policy = match request {
        Request::Status => in_force(&state),
        _ => String::new(),
    };
    let status = serde_json::to_string(&status).map_err(refused)?;
    session.answer(&format!("{policy}{status}\n"))
}

/// The values on standard input: JSON, by grant. An error does not quote them.
fn values() -> Result<BTreeMap<GrantName, GrantValue>, CliError> {
    protect_memory().map_err(refused)?;
    serde_json::from_reader(io::stdin().lock()).map_err(|_| refused("the values are not readable"))
}

/// Asks the gateway, which may be about to start. A status is a probe, and is not waited for.
async fn patient(state: &Path, request: &Request) -> Result<Status, ControlError> {
    let until = Instant::now() + START;
    loop {
        match ask(state, request).await {
            Err(ControlError::Io(error)) if *request != Request::Status && Instant::now() < until => {
                tracing::debug!("the gateway does not answer yet: {error}");
                sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
}

/// The policy as a line; nothing if there is none.
fn in_force(state: &Path) -> String {
    std::fs::read_to_string(state.join(moat_gateway::POLICY)).map_or_else(|_| String::new(), |text| text + "\n")
}

async fn serve(path: Option<PathBuf>, json: Option<String>) -> Result<(), CliError> {
    let text = match (path, json) {
        (Some(path), _) => std::fs::read_to_string(path).map_err(refused)?,
        (None, json) => json.unwrap_or_default(),
    };
    let mut config = Config::from_json(&text).map_err(refused)?;
    if let Ok(address) = std::env::var(ADDRESS) {
        config.address = address.parse().map_err(refused)?;
    }
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

//! `moat session-helper`: the program that holds terminal sessions in a sandbox.
//!
//! Not a command for users, as `moat gateway`: moat copies itself into the main container, and calls itself there.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use moat_docker::{AttachError, NotRun};
use moat_session::{SessionError, Start, layout};

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::logging;
use crate::cli::session::{EngineChoice, Form, Session};
use crate::ui::{ColourChoice, Screen};

/// Holds terminal sessions in a sandbox
#[derive(Debug, Parser)]
#[command(name = "moat session-helper")]
struct Program {
    /// Folder of all sessions
    #[arg(long, global = true, value_name = "DIR", default_value = layout::SESSIONS)]
    sessions: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run a command in a session, and print the session's name
    Serve {
        /// Name of the session, or its beginning
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Command and its arguments
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Connect standard input and output to a session
    Attach {
        /// Session
        name: String,
    },
    /// Print the sessions as JSON
    List,
    /// Note that the end of a session was reported
    Seen {
        /// Session
        name: String,
    },
    /// Move this program's folder to its place
    Install {
        /// Folder of this program
        folder: PathBuf,
    },
    /// Become a command of a session
    Child {
        /// Command and its arguments
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
}

/// Whether this process is a helper.
pub(super) fn is_requested(arguments: &[OsString]) -> bool {
    arguments.get(1).is_some_and(|word| word == OsStr::new(layout::WORD))
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
    let done = runtime.block_on(act(program, &session));
    // A read of standard input cannot be cancelled.
    runtime.shutdown_background();
    match done {
        Ok(()) => Exit::Done,
        Err(error) => session.refuse(&error),
    }
}

async fn act(program: Program, session: &Session) -> Result<(), CliError> {
    let Program { sessions, action } = program;
    match action {
        Action::Serve { name, command } => {
            let launcher = layout::own_launcher().map_err(CliError::Output)?;
            let start = Start { sessions, launcher, name, command };
            // If nobody reads it, the session goes on.
            let announce = |name: &str| drop(session.answer(&format!("{name}\n")));
            moat_session::hold(start, announce).await.map_err(refused)
        }
        Action::Attach { name } => moat_session::bridge(&sessions, &name).await.map_err(refused),
        Action::List => {
            let all = moat_session::list(&sessions).map_err(refused)?;
            let text = serde_json::to_string(&all).map_err(|error| CliError::Output(error.into()))?;
            session.answer(&format!("{text}\n"))
        }
        Action::Seen { name } => moat_session::mark_seen(&sessions, &name).map_err(refused),
        Action::Install { folder } => {
            moat_session::install(&folder, &PathBuf::from(layout::program())).map_err(refused)
        }
        Action::Child { command } => {
            let error = moat_session::become_command(&command);
            let program = command.first().map_or("", String::as_str);
            let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
            Err(CliError::Attach(AttachError::NotRun(NotRun {
                code,
                message: format!("cannot run `{program}`: {error}"),
            })))
        }
    }
}

fn refused(error: impl Into<SessionError>) -> CliError {
    CliError::Refused {
        message: format!("session: {}", error.into()),
        hint: "see `docs/tasks/run-an-agent.md`".to_owned(),
    }
}

//! The command line: what can be asked of moat, one file for each command.
//!
//! Each command reads its arguments, calls the layers below in order, and hands what came of it to `ui`. The doc
//! comments on arguments are the help text.

pub mod exit;

mod addresses;
mod end;
mod error;
mod fleet;
mod interrupt;
mod load;
mod locking;
mod logging;
mod orphan;
mod session;
mod surroundings;

pub mod apply;
pub mod clean;
pub mod destroy;
pub mod exec;
pub mod explain;
pub mod init;
pub mod list;
pub mod plan;
pub mod schema;
pub mod status;
pub mod validate;
pub mod why;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::ui::{self, Screen};
pub use error::CliError;
use exit::Exit;
use session::{Form, Session};

/// Keeps the Docker sandboxes of coding agents as a file says.
///
/// SPEC is the file, or a directory that has an `agent.yaml` or else a `moat.yaml`; by default such a file here. Of several, and of a
/// directory with several other YAML files, all are worked on at once.
#[derive(Debug, Parser)]
#[command(name = "moat", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// Docker's address, as in `unix:///path`, `tcp://host:port` or `ssh://user@host`; by default as docker finds it
    #[arg(long, global = true, value_name = "ADDRESS", help_heading = "Global options")]
    host: Option<String>,
    /// Tell more on standard error; twice for even more (`MOAT_LOG` takes a filter)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    verbose: u8,
    /// Tell only what goes wrong
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    quiet: bool,
    /// When to use colours; by default on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t, help_heading = "Global options")]
    color: Color,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Apply(apply::Apply),
    Plan(plan::Plan),
    Destroy(destroy::Destroy),
    Status(status::Status),
    Why(why::Why),
    Exec(exec::Exec),
    List(list::List),
    Clean(clean::Clean),
    Init(init::Init),
    Validate(validate::Validate),
    Explain(explain::Explain),
    Schema(schema::Schema),
}

impl From<Color> for ui::ColourChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

impl Command {
    /// What form its answer has, which is the form that a refusal takes too.
    fn form(&self) -> Form {
        let json = |wanted: bool, form: Form| if wanted { form } else { Form::Text };
        match self {
            Self::Apply(args) => json(args.json, Form::Stream),
            Self::Destroy(args) => json(args.json, Form::Stream),
            Self::Plan(args) => json(args.json, Form::Document),
            Self::Status(args) => json(args.json, Form::Document),
            Self::Why(args) => json(args.json, Form::Document),
            Self::List(args) => json(args.json, Form::Document),
            Self::Clean(args) => json(args.json, Form::Stream),
            Self::Validate(args) => json(args.json, Form::Document),
            Self::Exec(_) | Self::Init(_) | Self::Explain(_) | Self::Schema(_) => Form::Text,
        }
    }

    async fn run(&self, session: &Session) -> Result<Exit, CliError> {
        match self {
            // These carry whole rounds, and need not be part of every other command's future.
            Self::Apply(args) => Box::pin(apply::run(args, session)).await,
            Self::Plan(args) => plan::run(args, session).await,
            Self::Destroy(args) => Box::pin(destroy::run(args, session)).await,
            Self::Status(args) => status::run(args, session).await,
            Self::Why(args) => why::run(args, session).await,
            Self::Exec(args) => exec::run(args, session).await,
            Self::List(args) => Box::pin(list::run(args, session)).await,
            Self::Clean(args) => Box::pin(clean::run(args, session)).await,
            Self::Init(args) => init::run(args, session),
            Self::Validate(args) => validate::run(args, session),
            Self::Explain(args) => explain::run(args, session),
            Self::Schema(args) => schema::run(args, session),
        }
    }
}

/// Runs what this process was asked to.
pub fn main() -> ExitCode {
    run(std::env::args_os()).into()
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    logging::start(cli.global.verbose);
    let screen = Screen::system(cli.global.color.into(), cli.global.quiet);
    let session = Session::new(screen, cli.global.host, cli.command.form());
    // One thread: moat waits for an engine, and computes next to nothing.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return session.refuse(&CliError::Runtime(error)),
    };
    match runtime.block_on(cli.command.run(&session)) {
        Ok(exit) => exit,
        Err(error) => session.refuse(&error),
    }
}

/// Help and version are answers, not errors.
fn usage(error: &clap::Error) -> Exit {
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
        _ => Exit::Usage,
    }
}

/// Ways in which a clap definition is wrong only show when it is used.
#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}

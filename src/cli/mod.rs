//! The command line, with one file per command in `commands`.
//!
//! A command parses its arguments, calls the lower layers and passes the result to `ui`. The doc comments on arguments
//! are the help text.

pub mod args;
pub mod commands;
pub mod exit;

mod across;
mod agent_names;
mod approval;
mod blocking;
mod candidates;
mod capabilities;
mod confirm;
mod credentials;
mod decisions;
mod default_spec;
mod environment;
mod error;
mod exec_call;
mod gateway;
mod held;
mod help;
mod history_writer;
mod host_facts;
mod host_paths;
mod interrupt;
mod load;
mod load_error;
mod logging;
mod power;
mod record;
mod regular_file;
mod report;
mod resolved_spec;
mod runner;
mod saved;
mod selection;
mod session;
mod session_helper;
mod spec_files;
mod state_directory;
mod target;
mod tips;
mod unapproved;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing::Instrument;

use crate::ui;
use crate::ui::Screen;
pub use error::CliError;
use exit::Exit;
use session::{EngineChoice, Form, Session};

/// Keep coding agents' Docker sandboxes in the state a file declares
#[derive(Debug, Parser)]
#[command(name = "moat", version, max_term_width = 80, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// Docker address (unix://, tcp:// or ssh://)
    #[arg(long, global = true, value_name = "ADDRESS", help_heading = "Global options")]
    host: Option<String>,
    /// Docker context; some commands take several: `a,b`
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "host",
        help_heading = "Global options"
    )]
    context: Vec<String>,
    /// Log to standard error; repeat for more (see `MOAT_LOG`)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    verbose: u8,
    /// Print only warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    quiet: bool,
    /// Use colors: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true,
        help_heading = "Global options"
    )]
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
    Apply(commands::apply::Apply),
    Plan(commands::plan::Plan),
    Destroy(commands::destroy::Destroy),
    Watch(commands::watch::Watch),
    Approve(commands::approve::Approve),
    Status(commands::status::Status),
    Why(commands::why::Why),
    List(commands::list::List),
    Run(commands::run::Run),
    Agent(commands::agent::AgentCommand),
    Shell(commands::shell::Shell),
    Exec(commands::exec::Exec),
    Attach(commands::attach::Attach),
    Sessions(commands::sessions::Sessions),
    Logs(commands::logs::Logs),
    Cp(commands::cp::Cp),
    Ports(commands::ports::Ports),
    Events(commands::events::Events),
    History(commands::history::History),
    Open(commands::open::Open),
    Stop(commands::stop::Stop),
    Start(commands::start::Start),
    Restart(commands::restart::Restart),
    Graph(commands::graph::GraphCommand),
    Net(commands::net::Net),
    Grants(commands::grants::Grants),
    Cache(commands::cache::Cache),
    Audit(commands::audit::AuditCommand),
    Doctor(commands::doctor::Doctor),
    Completions(commands::completions::Completions),
    #[command(name = "man")]
    ManPage(commands::man::ManPage),
    Clean(commands::clean::Clean),
    Init(commands::init::Init),
    Deps(commands::deps::Deps),
    Image(commands::image::Image),
    Validate(commands::validate::Validate),
    Explain(commands::explain::Explain),
    Schema(commands::schema::Schema),
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
    /// The format of the output, also of errors.
    fn form(&self) -> Form {
        let json = |is_json: bool, form: Form| if is_json { form } else { Form::Text };
        match self {
            Self::Apply(args) => json(args.json, if args.dry_run { Form::Document } else { Form::Stream }),
            Self::Destroy(args) => json(args.json, Form::Stream),
            Self::Plan(args) => json(args.json, Form::Document),
            Self::Watch(args) => json(args.json, Form::Stream),
            Self::Status(args) => json(args.json, Form::Document),
            Self::Why(args) => json(args.json, Form::Document),
            Self::List(args) => json(args.json, Form::Document),
            Self::Clean(args) => json(args.json, Form::Stream),
            Self::Exec(args) => json(args.json, Form::Document),
            Self::Attach(args) => json(args.json, Form::Document),
            Self::Sessions(args) => json(args.json, Form::Document),
            Self::Run(args) => json(args.json, Form::Document),
            Self::Agent(args) => json(args.json, Form::Document),
            Self::Graph(args) => json(args.json, Form::Document),
            Self::Net(args) => args.form(),
            Self::Grants(args) => args.form(),
            Self::History(args) => json(args.json, Form::Document),
            Self::Audit(args) => json(args.json(), Form::Document),
            Self::Events(args) => json(args.json, Form::Stream),
            Self::Cache(args) => json(args.json, Form::Document),
            Self::Doctor(args) => json(args.json, Form::Document),
            Self::Logs(args) => json(args.json, Form::Stream),
            Self::Cp(args) => json(args.json, Form::Document),
            Self::Ports(args) => json(args.json, Form::Document),
            Self::Open(args) => json(args.json, Form::Document),
            Self::Stop(args) => json(args.json, Form::Stream),
            Self::Start(args) => json(args.json, Form::Stream),
            Self::Restart(args) => json(args.json, Form::Stream),
            Self::Validate(args) => json(args.json, Form::Document),
            Self::Deps(args) => json(args.json, Form::Document),
            Self::Approve(args) => json(args.json, Form::Document),
            Self::Shell(args) => json(args.json, Form::Document),
            Self::Image(args) => json(args.json, Form::Document),
            Self::Init(args) => json(args.json, Form::Document),
            Self::Explain(args) => json(args.json, Form::Document),
            Self::Schema(args) => json(args.json, Form::Document),
            Self::Completions(args) => json(args.json, Form::Document),
            Self::ManPage(args) => json(args.json, Form::Document),
        }
    }

    async fn run(&self, session: &Session) -> Result<Exit, CliError> {
        match self {
            // Boxed, since a reconcile loop would enlarge the future of every command.
            Self::Apply(args) => Box::pin(commands::apply::run(args, session)).await,
            Self::Plan(args) => commands::plan::run(args, session).await,
            Self::Destroy(args) => Box::pin(commands::destroy::run(args, session)).await,
            Self::Approve(args) => commands::approve::run(args, session).await,
            Self::Watch(args) => Box::pin(commands::watch::run(args, session)).await,
            Self::Status(args) => Box::pin(commands::status::run(args, session)).await,
            Self::Why(args) => commands::why::run(args, session).await,
            Self::Exec(args) => Box::pin(commands::exec::run(args, session)).await,
            Self::Attach(args) => Box::pin(commands::attach::run(args, session)).await,
            Self::Sessions(args) => Box::pin(commands::sessions::run(args, session)).await,
            Self::Run(args) => Box::pin(commands::run::run(args, session)).await,
            Self::Agent(args) => Box::pin(commands::agent::run(args, session)).await,
            Self::Graph(args) => Box::pin(commands::graph::run(args, session)).await,
            Self::Net(args) => Box::pin(commands::net::run(args, session)).await,
            Self::Grants(args) => Box::pin(commands::grants::run(args, session)).await,
            Self::Completions(args) => commands::completions::run(args, session),
            Self::ManPage(args) => commands::man::run(args, session),
            Self::History(args) => commands::history::run(args, session),
            Self::Audit(args) => commands::audit::run(args, session),
            Self::Events(args) => Box::pin(commands::events::run(args, session)).await,
            Self::Cache(args) => Box::pin(commands::cache::run(args, session)).await,
            Self::Doctor(args) => Box::pin(commands::doctor::run(args, session)).await,
            Self::Shell(args) => Box::pin(commands::shell::run(args, session)).await,
            Self::Logs(args) => Box::pin(commands::logs::run(args, session)).await,
            Self::Cp(args) => Box::pin(commands::cp::run(args, session)).await,
            Self::Ports(args) => Box::pin(commands::ports::run(args, session)).await,
            Self::Open(args) => Box::pin(commands::open::run(args, session)).await,
            Self::Stop(args) => Box::pin(commands::stop::run(args, session)).await,
            Self::Start(args) => Box::pin(commands::start::run(args, session)).await,
            Self::Restart(args) => Box::pin(commands::restart::run(args, session)).await,
            Self::List(args) => Box::pin(commands::list::run(args, session)).await,
            Self::Clean(args) => Box::pin(commands::clean::run(args, session)).await,
            Self::Init(args) => commands::init::run(args, session),
            Self::Deps(args) => commands::deps::run(args, session),
            Self::Image(args) => commands::image::run(args, session),
            Self::Validate(args) => commands::validate::run(args, session),
            Self::Explain(args) => commands::explain::run(args, session),
            Self::Schema(args) => commands::schema::run(args, session),
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // Answers a completion request of a shell and exits; otherwise does nothing.
    clap_complete::CompleteEnv::with_factory(|| agent_names::as_commands(command())).complete();
    run(std::env::args_os()).into()
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if gateway::is_requested(&arguments) {
        return gateway::run(&arguments);
    }
    if session_helper::is_requested(&arguments) {
        return session_helper::run(&arguments);
    }
    agent_names::complete(&mut arguments, &command());
    let parsed =
        command().try_get_matches_from(&arguments).and_then(|found| Ok((Cli::from_arg_matches(&found)?, found)));
    let (cli, found) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
            return usage(&tips::with_tip(error, &words, &command()));
        }
    };
    let logs = logging::start(cli.global.verbose);
    let screen = Screen::system(cli.global.color.into(), cli.global.quiet, logs);
    let session = Session::new(screen, EngineChoice::new(cli.global.host, cli.global.context), cli.command.form());
    default_spec::announce_if_default(&found, &session);
    if let Command::Destroy(args) = &cli.command {
        args.warn_of_verbose(cli.global.verbose, &session);
    }
    // A single thread: moat mostly waits for the engine.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return session.refuse(&CliError::Runtime(error)),
    };
    let span = tracing::debug_span!("command", name = found.subcommand_name());
    match runtime.block_on(cli.command.run(&session).instrument(span)) {
        Ok(exit) => exit,
        Err(error) => session.refuse(&error),
    }
}

/// The command line definition, with the commands of its help in groups.
pub fn command() -> clap::Command {
    let command = Cli::command();
    let template = help::template(&command);
    command.help_template(template)
}

/// Prints a clap error. Help and version are reported as errors by clap, but exit with 0.
fn usage(error: &clap::Error) -> Exit {
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
        _ => Exit::Usage,
    }
}

/// clap reports an invalid definition only when it is used.
#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_valid() {
        super::command().debug_assert();
    }
}

//! `moat completions`: shell completion scripts, generated from the command line definition.

use clap::Args;
use clap_complete::{Shell, generate};

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::ui::json::documents;

/// Print a shell completion script
///
/// The script completes commands and options. `source <(COMPLETE=bash moat)`, or the same with zsh or fish, also completes
/// the names of sandboxes and containers.
#[derive(Debug, Args)]
pub struct Completions {
    /// Shell to complete in
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub fn run(args: &Completions, session: &Session) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    generate(args.shell, &mut crate::cli::command(), "moat", &mut script);
    let script = String::from_utf8_lossy(&script);
    let document = || documents::completions(&args.shell.to_string(), &script);
    session.answer(&if args.json { document() } else { script.to_string() })?;
    Ok(Exit::Done)
}

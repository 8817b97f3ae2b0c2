//! `moat man`: man pages, generated from the command line definition.

use clap::Args;
use clap_mangen::Man;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::ui::json::documents;
use moat_spec::suggest;

/// Print a man page, as in `moat man apply | man -l -`
#[derive(Debug, Args)]
pub struct ManPage {
    /// Command to document [default: moat itself]
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub fn run(args: &ManPage, session: &Session) -> Result<Exit, CliError> {
    let mut moat = crate::cli::command();
    moat.build();
    let page = match &args.command {
        None => moat,
        Some(name) => {
            let found = moat.get_subcommands().find(|it| it.get_name() == name).cloned();
            let refused = || {
                let meant = suggest(name, moat.get_subcommands().map(clap::Command::get_name));
                let hint =
                    meant.map_or("`moat --help` lists all commands".to_owned(), |it| format!("did you mean `{it}`?"));
                CliError::Usage { message: format!("no command `{name}`"), hint }
            };
            found.ok_or_else(refused)?
        }
    };
    let mut text = Vec::new();
    Man::new(page).render(&mut text).map_err(CliError::Output)?;
    let text = String::from_utf8_lossy(&text);
    let document = || documents::page(args.command.as_deref(), &text);
    session.answer(&if args.json { document() } else { text.to_string() })?;
    Ok(Exit::Done)
}

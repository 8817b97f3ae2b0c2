//! `moat completions` and `moat man`: what shells and manual readers need, from the command line's own definition.

use std::path::Path;

use clap::Args;
use clap_complete::engine::CompletionCandidate;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::nearest;
use crate::cli::record::own_files;
use crate::cli::session::Session;
use crate::history::RunRecord;
use crate::history::read::records;
use crate::ui::json::documents;
use moat_spec::suggest;

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

pub fn completions(args: &Completions, session: &Session) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    generate(args.shell, &mut crate::cli::command(), "moat", &mut script);
    let script = String::from_utf8_lossy(&script);
    let document = || documents::completions(&args.shell.to_string(), &script);
    session.answer(&if args.json { document() } else { script.to_string() })?;
    Ok(Exit::Done)
}

pub fn man(args: &ManPage, session: &Session) -> Result<Exit, CliError> {
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

/// Names that a sandbox can be called by: those that moat has a record of. No engine is asked: a completion must not wait
/// for one.
pub fn agents() -> Vec<CompletionCandidate> {
    let mut found: Vec<CompletionCandidate> = Vec::new();
    if Path::new(nearest::spec()).is_file() {
        found.push(CompletionCandidate::new(nearest::spec()).help(Some("the default spec".into())));
    }
    for record in known() {
        found.push(
            CompletionCandidate::new(&record.name).help(Some(format!("{} ({})", record.state, record.spec).into())),
        );
    }
    found
}

/// Names of containers of any sandbox.
pub fn containers() -> Vec<CompletionCandidate> {
    let resources = known().into_iter().flat_map(|record| record.resources);
    let names = resources.filter_map(|it| it.resource.strip_prefix("container/").map(str::to_owned));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

fn known() -> Vec<RunRecord> {
    let Some(dir) = own_files() else { return Vec::new() };
    let (mut records, _) = records(&dir);
    records.retain(|record| record.state != "absent");
    records.sort_by(|a, b| a.name.cmp(&b.name));
    records.dedup_by(|a, b| a.name == b.name);
    records
}

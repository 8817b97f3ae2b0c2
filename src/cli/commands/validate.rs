//! `moat validate`: checks specs without an engine and without secrets.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::ArgPredicate;

use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::load::{self, Load, Loaded};
use crate::cli::session::Session;
use crate::ui::render::validation::{Checked, json, text};

/// Check specs and report all errors
///
/// Works without a connection to Docker and does not read secrets.
#[derive(Debug, Args)]
pub struct Validate {
    /// Spec files or directories of specs; `-`: standard input
    #[arg(value_name = "SPEC", default_value = default_spec::path())]
    #[arg(default_value_if("files", ArgPredicate::IsPresent, None))]
    specs: Vec<PathBuf>,
    /// Spec file, same as SPEC (repeatable)
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub fn run(args: &Validate, session: &Session) -> Result<Exit, CliError> {
    let (input, paths): (Vec<_>, Vec<_>) =
        args.files.iter().chain(&args.specs).cloned().partition(|path| path == Path::new("-"));
    let mut all: Vec<Loaded> = Vec::new();
    if !input.is_empty() {
        all.push(load::standard_input().map_err(|error| CliError::Load(vec![error]))?);
    }
    if !paths.is_empty() {
        all.push(load::load(&paths, Load::Identity));
    }
    let mut checked = Checked::default();
    let mut errors = Vec::new();
    for Loaded { agents, warnings, skipped, inputs } in all {
        session.say_skipped(&skipped);
        checked.warnings.extend(warnings.into_iter().filter(|found| !found.items.is_empty()));
        checked.inputs.append(inputs);
        match agents {
            Ok(agents) => checked.runs.extend(agents.into_iter().map(|agent| agent.graph.run)),
            Err(mut found) => errors.append(&mut found),
        }
    }
    if errors.is_empty() {
        session.warn(&checked.warnings);
        session.answer(&if args.json { json(&checked, None) } else { text(&checked) })?;
        return Ok(Exit::Done);
    }
    let error = CliError::Load(errors);
    if !args.json {
        session.warn(&checked.warnings);
        return Err(error);
    }
    let exit = session.alert(None, &error);
    error.shown(|problems| session.answer(&json(&checked, Some(problems))))?;
    Ok(exit)
}

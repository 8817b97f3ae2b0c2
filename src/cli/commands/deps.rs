//! `moat deps`: lists or describes the available dependencies.

use std::path::PathBuf;

use clap::Args;

use crate::cli::capabilities::capabilities;
use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::spec_files;
use crate::ui;
use moat_spec::Unresolved;
use moat_spec::environment::Inputs;

/// List the available dependencies, or describe one
///
/// Works without a connection to Docker.
#[derive(Debug, Args)]
pub struct Deps {
    /// Dependency to describe, as in `postgres` or `node@22`
    #[arg(value_name = "DEPENDENCY")]
    name: Option<String>,
    /// Spec whose `specs` directory is searched as well
    #[arg(long, value_name = "SPEC", default_value = default_spec::path())]
    spec: PathBuf,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub fn run(args: &Deps, session: &Session) -> Result<Exit, CliError> {
    let spec = spec_files::file(&args.spec);
    let spec = std::path::absolute(&spec).unwrap_or(spec);
    let all = capabilities(&spec, &mut Inputs::default()).map_err(CliError::Load)?;
    let text = if let Some(name) = &args.name {
        let wrong = |why: Unresolved| CliError::Usage { message: why.to_string(), hint: why.hint(&all) };
        let capability = all.describe(name).map_err(wrong)?;
        if args.json { ui::render::deps::json(&all, &[capability]) } else { ui::render::deps::one(&all, &capability) }
    } else {
        let each: Vec<_> = all.names().filter_map(|name| all.describe(name).ok()).collect();
        if args.json { ui::render::deps::json(&all, &each) } else { ui::render::deps::list(&all, &each) }
    };
    session.answer(&text)?;
    Ok(Exit::Done)
}

//! `moat init`: creates a first spec.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::spec_files::DEFAULT_SPEC;
use crate::local;
use crate::ui::json::documents;
use crate::ui::terminal::ask;
use moat_model::resource::{AgentName, ImageRef};
use moat_spec::{FirstPolicy, slug, template};

/// Create a commented `agent.yaml`
///
/// The sandbox gets its own Docker unless an image is given. Its network reaches only what its dependencies need. Existing
/// files are not overwritten.
#[derive(Debug, Args)]
pub struct Init {
    /// File to create
    #[arg(value_name = "FILE", default_value = DEFAULT_SPEC)]
    file: PathBuf,
    /// Name of the agent [default: the directory's name]
    #[arg(long, value_name = "NAME", value_parser = agent_name)]
    agent: Option<AgentName>,
    /// Use this image, without Docker inside
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    image: Option<ImageRef>,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

const ROOT: u32 = 0;

/// The variable with another program for the gateway.
const HELPER: &str = "MOAT_HELPER";

/// The default image without Docker inside.
const PLAIN: &str = "debian:13";

pub fn run(args: &Init, session: &Session) -> Result<Exit, CliError> {
    let name = args.agent.clone().unwrap_or_else(name_of_folder);
    let is_user = belongs_to_user(&args.file);
    let mut image = args.image.as_ref().map(ToString::to_string);
    if image.is_none() && !args.yes {
        let container = if is_user { "a container" } else { "a privileged container" };
        let question = format!("`{name}` gets its own Docker in {container}");
        // Without a terminal the default applies: the file can be reviewed before `apply`.
        if ask::consent(&session.screen, &question) == Some(false) {
            image = Some(PLAIN.to_owned());
        }
    }
    let written = local::spec::create(&args.file, &template(&name, image.as_deref(), policy(), is_user));
    let shown = args.file.display().to_string();
    written.map_err(|source| CliError::Create { file: shown.clone(), source })?;
    if args.json {
        session.answer(&documents::written(&shown, &name, image.as_deref()))?;
        return Ok(Exit::Done);
    }
    session.screen.say(&format!("created {shown}; next: `moat plan`, `moat apply`\n"));
    Ok(Exit::Done)
}

/// Whether the folder of the new file, which becomes the workspace, suits `isolation: auto`.
fn belongs_to_user(file: &Path) -> bool {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::metadata(folder).is_ok_and(|folder| folder.uid() != ROOT)
}

/// The gateway's program is moat's own, which has to run on the Docker host. Docker is not asked for its architecture.
pub(super) fn policy() -> FirstPolicy {
    let can_run = cfg!(target_os = "linux") || env::var_os(HELPER).is_some();
    if can_run { FirstPolicy::Strict } else { FirstPolicy::Open }
}

pub(super) fn name_of_folder() -> AgentName {
    let folder = env::current_dir().ok();
    let name = folder.as_deref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    let name = name.and_then(|name| slug(&name)).unwrap_or_else(|| "agent".to_owned());
    AgentName::parse(&name).unwrap_or_else(|error| unreachable!("a slug is a name: {error}"))
}

fn agent_name(text: &str) -> Result<AgentName, String> {
    AgentName::parse(text).map_err(|error| error.to_string())
}

fn image(text: &str) -> Result<ImageRef, String> {
    ImageRef::parse(text).map_err(|error| error.to_string())
}

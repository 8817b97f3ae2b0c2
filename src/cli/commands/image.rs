//! `moat image`: shows the Dockerfile of a built image, generated or user-defined.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::candidates::agents;
use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::target::recorded_graph;
use crate::ui::json::documents;
use moat_model::resource::Config;

/// Show the tag and Dockerfile of the sandbox's built image
///
/// Works without a connection to Docker.
#[derive(Debug, Args)]
pub struct Image {
    /// Agent name, run id, or spec file or directory
    #[arg(value_name = "AGENT", default_value = default_spec::path(), add = ArgValueCandidates::new(agents))]
    agent: String,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub fn run(args: &Image, session: &Session) -> Result<Exit, CliError> {
    let graph = recorded_graph(&args.agent)?;
    let made = graph.nodes().find_map(|node| match &node.config {
        Config::Image(image) => Some((image.reference.clone(), image.dockerfile.clone()?)),
        _ => None,
    });
    if args.json {
        let made = made.as_ref().map(|(reference, dockerfile)| (reference, dockerfile.as_str()));
        session.answer(&documents::image(&graph, made))?;
        return Ok(Exit::Done);
    }
    match made {
        Some((reference, dockerfile)) => {
            session.screen.say(&format!("{reference}\n"));
            session.answer(&dockerfile)?;
        }
        None => session.screen.say(&format!("{} has no built image: its spec uses an existing one\n", graph.run.agent)),
    }
    Ok(Exit::Done)
}

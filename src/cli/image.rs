//! `moat image`: the Dockerfile of the image that is built for a sandbox, moat's or the user's own.

use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::exit::Exit;
use super::load::{self, DEFAULT_SPEC};
use super::session::Session;
use crate::resource::Config;

/// Show the Dockerfile of the image that is built for the sandbox, and its tag; no engine is needed
#[derive(Debug, Args)]
pub struct Image {
    /// A spec file, or a directory that has one
    #[arg(value_name = "SPEC", default_value = DEFAULT_SPEC)]
    spec: PathBuf,
}

pub fn run(args: &Image, session: &Session) -> Result<Exit, CliError> {
    let graph = load::with_image(&args.spec).map_err(CliError::Load)?;
    let made = graph.nodes().find_map(|node| match &node.config {
        Config::Image(image) => Some((image.reference.clone(), image.dockerfile.clone()?)),
        _ => None,
    });
    match made {
        Some((reference, dockerfile)) => {
            session.screen.say(&format!("{reference}\n"));
            session.answer(&dockerfile)?;
        }
        None => session.screen.say(&format!("{} has no image that is built: its spec names one\n", graph.run.agent)),
    }
    Ok(Exit::Done)
}

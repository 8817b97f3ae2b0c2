//! `moat events`: what happens to a sandbox on the engine, as it happens.
//!
//! The engine's own words, whoever is the reason. What moat itself did is told by `moat history` and `moat audit`.

use std::cell::Cell;

use clap::Args;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::cli::commands::logs::since;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::target::{Sandbox, Target};
use crate::ui::render::events::line;
use moat_model::engine::Engine;
use moat_model::engine::notice::{Actor, EngineEvent, Notice};

/// Follow Docker's events about the sandbox
#[derive(Debug, Args)]
pub struct Events {
    #[command(flatten)]
    target: Target,
    /// Start at a time or an age, as in `10m`
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Print JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Events, session: &Session) -> Result<Exit, CliError> {
    let named = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?;
    let since = args.since.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    let unread = CancellationToken::new();
    let failed = Cell::new(None);
    let tell = |notice: Notice| {
        let Notice::Happened(happening) = notice else { return };
        if !is_about(&sandbox, &happening) {
            return;
        }
        let text = line(&sandbox.run, &happening, args.json, session.screen.data_colour());
        match session.screen.flows(&text) {
            Ok(true) => {}
            Ok(false) => unread.cancel(),
            Err(error) => {
                failed.set(Some(error));
                unread.cancel();
            }
        }
    };
    tokio::select! {
        biased;
        () = unread.cancelled() => failed.take().map_or(Ok(Exit::Done), |error| Err(CliError::Output(error))),
        lost = engine.events(since, &tell) => match lost {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        },
    }
}

/// Whether something happened to what is the sandbox's. Only containers come with their labels; a network or a volume
/// is known by what was seen of it before, or by its name.
fn is_about(sandbox: &Sandbox, happening: &EngineEvent) -> bool {
    let (run, observed) = (&sandbox.run.id, &sandbox.observed);
    match &happening.subject {
        Actor::Container { run: of, .. } => of.as_ref() == Some(run),
        Actor::Network { id, name, .. } => {
            observed.networks.iter().any(|it| it.id == *id) || *name == format!("moat-{run}")
        }
        Actor::Volume { name } => {
            let ours = observed.volumes.iter().any(|it| it.name == *name);
            ours || name.starts_with(&format!("moat-{run}-")) || *name == format!("moat-stopped-{run}")
        }
    }
}

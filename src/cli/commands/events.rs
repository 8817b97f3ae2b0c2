//! `moat events`: the engine's events about a sandbox.
//!
//! These are events of any origin; `moat history` and `moat audit` show what moat did.

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
    let on_notice = |notice: Notice| {
        let Notice::Happened(event) = notice else { return };
        if !is_about(&sandbox, &event) {
            return;
        }
        let text = line(&sandbox.run, &event, args.json, session.screen.data_colour());
        match session.screen.write_stream(&text) {
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
        lost = engine.events(since, &on_notice) => match lost {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        },
    }
}

/// Returns whether an event concerns the sandbox. Only container events have labels; networks and volumes are matched by
/// the observed state or by name.
fn is_about(sandbox: &Sandbox, event: &EngineEvent) -> bool {
    let (run, observed) = (&sandbox.run.id, &sandbox.observed);
    match &event.subject {
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

//! `moat destroy`: the same rounds as an apply, against the empty graph.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::end::End;
use super::error::CliError;
use super::exit::Exit;
use super::interrupt::interruptible;
use super::load::{self, DEFAULT_SPEC};
use super::session::Session;
use crate::engine::{Engine, Filter};
use crate::event::Event;
use crate::graph::Graph;
use crate::plan::{Condition, Options, Volumes};
use crate::reconcile::{OnFailure, Outcome, until_converged};
use crate::resource::{Config, ResourceId, Retention};
use crate::state::Observed;
use crate::ui::ask;
use crate::ui::ending::{Command, How};

/// Remove the sandbox; what it built and what the spec declares as volumes is kept
#[derive(Debug, Args)]
pub struct Destroy {
    /// The spec file, or its directory
    #[arg(value_name = "SPEC", default_value = DEFAULT_SPEC)]
    spec: PathBuf,
    /// Remove the volumes too that would be kept, and the data in them
    #[arg(long)]
    volumes: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Tell on standard output what happens, one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

pub async fn run(args: &Destroy, session: &Session) -> Result<Exit, CliError> {
    let graph = load::graph(&args.spec)?;
    let engine = session.connect().await?;
    if args.volumes && !args.yes {
        agreed(&engine, &graph, session).await?;
    }
    let reporter = session.reporter();
    let tell = |event: Event<'_>| reporter.tell(&event);
    let stop = CancellationToken::new();
    let nothing = Graph::empty(graph.run.clone());
    let options = Options { volumes: args.consent(&graph), ..Options::default() };
    let work = until_converged(&engine, &nothing, options, OnFailure::Keep, &tell, &stop);
    let outcome = Box::pin(interruptible(&session.screen, &stop, work)).await?;

    let kept = match &outcome {
        Outcome::Converged { observed, .. } => volumes(observed),
        _ => Vec::new(),
    };
    let end = match &outcome {
        Outcome::Converged { changed, .. } => {
            let how = How::Gone { changed: *changed, kept: &kept };
            End { how, exit: Exit::Done, condition: Some(Condition::Absent) }
        }
        failure => End::unsuccessful(&engine, &graph, failure, Command::Destroy).await,
    };
    end.tell(&graph.run, reporter)
}

/// Asks before data is lost, if somebody is there to be asked and there is data to lose.
async fn agreed<E: Engine>(engine: &E, graph: &Graph, session: &Session) -> Result<(), CliError> {
    let found = engine.volumes(&Filter::Run(graph.run.id.clone())).await?;
    let names: Vec<_> = found.iter().map(|facts| format!("`{}`", facts.name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let message = format!("the data in {} will be lost", names.join(", "));
    match ask::consent(&session.screen, &message) {
        Some(false) => Err(CliError::Declined),
        Some(true) | None => Ok(()),
    }
}

impl Destroy {
    /// Which volumes may go. What the spec says now counts, not what it said when a volume was made.
    fn consent(&self, graph: &Graph) -> Volumes {
        if self.volumes {
            return Volumes::All;
        }
        let retentions = graph.nodes().filter_map(|node| match &node.config {
            Config::Volume(volume) => Some((node.id.clone(), volume.retention)),
            _ => None,
        });
        Volumes::Scratch(retentions.collect::<BTreeMap<ResourceId, Retention>>())
    }
}

fn volumes(observed: &Observed) -> Vec<String> {
    observed.volumes.iter().map(|facts| facts.name.clone()).collect()
}

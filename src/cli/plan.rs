//! `moat plan`: what an apply would do, and why.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::addresses::Addresses;
use super::completions::agents;
use super::error::CliError;
use super::exit::Exit;
use super::fleet::Fleet;
use super::load::{self, Depth};
use super::nearest;
use super::session::Session;
use crate::observe::observe_with;
use crate::observe::registry::{self, Registries};
use crate::plan::{Options, compute, has_completed, widening};
use crate::ui;

/// Show what `apply` would do, and why, without doing it
#[derive(Debug, Args)]
pub struct Plan {
    /// Spec files, or directories: their `agent.yaml`, or all of their YAML files; or names of agents, or ids of runs
    #[arg(value_name = "AGENT", default_value = nearest::spec(), add = ArgValueCandidates::new(agents))]
    specs: Vec<PathBuf>,
    /// Exit with 2 if there is something to change
    #[arg(long)]
    detailed_exitcode: bool,
    /// Ask the registries whether a tag means another image by now, as `apply --pull` does
    #[arg(long)]
    pull: bool,
    #[command(flatten)]
    addresses: Addresses,
    /// One JSON document in place of text
    #[arg(long)]
    pub(super) json: bool,
}

pub async fn run(args: &Plan, session: &Session) -> Result<Exit, CliError> {
    let (fleet, engine) = Fleet::find(session, &args.specs, Depth::Whole).await?;
    let options = args.addresses.options(&engine);
    let answer = fleet.answer(async |agent| {
        let run = &agent.graph.run;
        let found = if args.pull { registry::ask(&engine, &agent.graph).await } else { Registries::default() };
        for (reference, why) in &found.kept {
            let (message, hint) = registry::words(reference, why);
            session.caution(&message, &hint);
        }
        let options = Options { registry: found.digests, ..options.clone() };
        let observed = observe_with(&engine, &agent.graph, &options.registry).await?;
        let plan = compute(&agent.graph, &observed, &options);
        let widens = widening(&agent.graph, &observed);
        let text = if args.json {
            ui::plan::json(run, &plan, &widens)
        } else if plan.is_empty() && observed.is_stopped() {
            ui::plan::stopped(run, session.screen.data_colour())
        } else if plan.is_empty() && has_completed(&agent.graph, &observed) {
            ui::plan::completed(run, session.screen.data_colour())
        } else {
            let spec = load::file(&agent.given).display().to_string();
            ui::plan::text(run, &spec, &plan, &widens, session.screen.data_colour())
        };
        Ok((if args.detailed_exitcode && plan.changes() { Exit::Changes } else { Exit::Done }, text))
    });
    answer.await
}

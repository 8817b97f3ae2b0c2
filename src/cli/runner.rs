//! The work of a command on one agent: history, audit log, lock, rounds until converged, and the final report.
//!
//! Shared by all commands that change a sandbox once. A watch has rounds of its own: see [`crate::watch`].

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::cli::args::locking::Locking;
use crate::cli::confirm::Confirm;
use crate::cli::credentials::Notice;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::history_writer::HistoryWriter;
use crate::cli::record::Record;
use crate::cli::report::Report;
use crate::cli::saved::Saved;
use crate::observe::builds::{self, Builds};
use crate::observe::registry::{self, WithoutQuery};
use crate::reconcile::{Claims, OnFailure, Outcome, Terms, until_converged_on};
use crate::ui::Reporter;
use crate::ui::render::outcome::{Command, Ending};
use moat_docker::Docker;
use moat_model::engine::Engine;
use moat_model::graph::Graph;
use moat_model::resource::{ImageDigest, ImageRef, Run};
use moat_model::state::Observed;
use moat_plan::event::{Event, OnEvent};
use moat_plan::{Options, Plan, has_completed};

/// The context of a command, shared by its agents.
pub(super) struct Runner<'a> {
    pub command: Command,
    pub engine: &'a Docker,
    pub locking: &'a Locking,
    pub record: &'a Record<'a>,
    pub confirm: &'a Confirm<'a>,
    pub stop: &'a CancellationToken,
    pub claims: Claims,
}

/// The change of one agent's sandbox.
pub(super) struct Change<'a> {
    /// The sandbox, also if it is to be removed.
    pub graph: &'a Graph,
    pub goal: Goal<'a>,
    pub options: Options,
    pub on_failure: OnFailure,
}

/// The desired result of a change.
pub(super) enum Goal<'a> {
    /// The sandbox matches its graph, in the power state of the options.
    Present(Present<'a>),
    /// All resources are removed, except the volumes that the options keep.
    Absent,
}

/// How a sandbox is brought in sync.
#[derive(Default)]
pub(super) struct Present<'a> {
    /// The command line prefix that runs a command in the sandbox.
    pub exec: String,
    /// Resolve tags in their registries.
    pub pull: bool,
    /// The saved plan that must still match.
    pub saved: Option<&'a Saved>,
    /// Check afterwards whether builds reach the sidecar.
    pub checks_builds: bool,
}

impl Runner<'_> {
    /// Carries out a change under the sandbox's lock and reports the result.
    ///
    /// # Errors
    /// If the lock, the audit log or the engine is unavailable, a saved plan is stale, or the user declines.
    pub async fn run(&self, change: Change<'_>, reporter: Reporter<'_>) -> Result<Exit, CliError> {
        let history = HistoryWriter::start(self.engine, self.command.as_str());
        let graph = change.graph;
        let audited = self.record.of(graph);
        let emit = |event: Event<'_>| {
            audited.note(&event);
            history.note(&event);
            reporter.report(&event);
        };
        let notice = Notice::new(self.engine);
        let on_event = |event: Event<'_>| {
            emit(event.clone());
            notice.after(&event, &emit);
        };
        let _lock = self.locking.lock(self.command.as_str(), &graph.run, self.engine, &on_event, self.stop).await?;
        let outcome = self.converge(&audited, &change, &on_event).await?;
        let builds = match &change.goal {
            Goal::Present(Present { checks_builds: true, .. }) => {
                checked_builds(&audited, graph, &outcome, &on_event).await
            }
            Goal::Present(_) | Goal::Absent => None,
        };
        let kept = remaining_volumes(&outcome);
        let report = match (&outcome, &change.goal) {
            (Outcome::Converged { observed, changed }, Goal::Present(present)) => {
                Report::converged(graph, observed, *changed, builds.as_ref(), &present.exec)
            }
            (Outcome::Converged { observed, changed }, Goal::Absent) => {
                Report::removed(observed, *changed, &kept, self.command)
            }
            (failure, _) => Report::unsuccessful(&audited, graph, failure, self.command).await,
        };
        history.finish(&graph.run, &report, &|event| reporter.report(&event)).await;
        publish(&graph.run, &report, reporter)
    }

    /// Repeats rounds until the goal is reached, and asks before the first change.
    async fn converge<E: Engine>(
        &self,
        engine: &E,
        change: &Change<'_>,
        on_event: OnEvent<'_>,
    ) -> Result<Outcome, CliError> {
        let Change { graph, goal, on_failure, .. } = change;
        let mut options = change.options.clone();
        if let Goal::Present(Present { pull, saved, .. }) = goal {
            if *pull || saved.is_some_and(|saved| saved.pulls(&graph.run)) {
                // A pull may lead to more than a saved plan has.
                let without = if saved.is_some() { WithoutQuery::Keep } else { WithoutQuery::Pull };
                options.registry = registry_digests(engine, graph, without, on_event).await;
            }
            if let Some(saved) = saved {
                saved.holds(graph, &options, self.engine).await?;
            }
        }
        let agrees = async |observed: &Observed, plan: &Plan| match goal {
            Goal::Present(_) => self.confirm.ending_sessions(engine, graph, observed, plan, on_event).await,
            Goal::Absent => self.confirm.removal(engine, graph, observed, plan, on_event).await,
        };
        let nothing = Graph::empty(graph.run.clone());
        let desired = match goal {
            Goal::Present(_) => graph,
            Goal::Absent => &nothing,
        };
        let terms = Terms { claims: &self.claims, on_failure: *on_failure, agrees };
        let outcome = until_converged_on(engine, desired, options, terms, on_event, self.stop).await?;
        self.confirm.unless_declined(outcome)
    }
}

/// Prints the report and returns the exit code.
fn publish(run: &Run, report: &Report<'_>, reporter: Reporter<'_>) -> Result<Exit, CliError> {
    let ending = Ending { run, how: report.how, exit_code: report.exit.code(), condition: report.condition };
    reporter.end(&ending).map_err(CliError::Output)?;
    Ok(report.exit)
}

/// The image digests from the registries, with a warning for each image without one.
async fn registry_digests<E: Engine>(
    engine: &E,
    graph: &Graph,
    without: WithoutQuery,
    on_event: OnEvent<'_>,
) -> BTreeMap<ImageRef, ImageDigest> {
    let found = registry::ask(engine, graph, without).await;
    for (reference, why) in &found.kept {
        let (message, hint) = registry::words(reference, why);
        on_event(Event::Warning { run: &graph.run, message: &message, hint: &hint });
    }
    found.digests
}

/// The target of builds, with a warning if it is not the sidecar.
///
/// Skipped if nothing has changed, so that an apply without changes makes no extra calls.
async fn checked_builds<E: Engine>(
    engine: &E,
    graph: &Graph,
    outcome: &Outcome,
    on_event: OnEvent<'_>,
) -> Option<Builds> {
    let Outcome::Converged { observed, changed: true } = outcome else { return None };
    if observed.is_stopped() || has_completed(graph, observed) {
        return None;
    }
    let builds = builds::check(engine, graph, observed).await?;
    if let Some(reason) = &builds.reason {
        let message = format!("builds are not routed to the sidecar: {reason}");
        let hint = builds.hint.as_deref().unwrap_or("check again with `moat status`");
        on_event(Event::Warning { run: &graph.run, message: &message, hint });
    }
    Some(builds)
}

fn remaining_volumes(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Converged { observed, .. } => observed.volumes.iter().map(|facts| facts.name.clone()).collect(),
        _ => Vec::new(),
    }
}

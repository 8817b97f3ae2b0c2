//! The result of a command for one run: outcome, exit code and observed state.

use crate::cli::exit::Exit;
use crate::observe::builds::Builds;
use crate::observe::observe;
use crate::reconcile::Outcome;
use crate::ui::render::outcome::{Command, OutcomeKind};
use moat_model::engine::{Engine, Fault};
use moat_model::graph::Graph;
use moat_model::state::Observed;
use moat_plan::event::{Code, Failure};
use moat_plan::{Condition, Options, compute, has_completed, status};

/// The result of a command for one run.
pub struct Report<'a> {
    pub how: OutcomeKind<'a>,
    pub exit: Exit,
    pub condition: Option<Condition>,
    /// The observed state afterwards.
    pub observed: Option<Observed>,
}

impl<'a> Report<'a> {
    /// A run that is in sync. `exec`: the command line for a command in it.
    pub fn converged(
        graph: &'a Graph,
        observed: &Observed,
        changed: bool,
        builds: Option<&'a Builds>,
        exec: &'a str,
    ) -> Report<'a> {
        let (how, condition) = if observed.is_stopped() {
            (OutcomeKind::Stopped { changed }, Condition::Stopped)
        } else if has_completed(graph, observed) {
            (OutcomeKind::Completed { changed }, Condition::Completed)
        } else {
            (OutcomeKind::Ready { graph, changed, builds, exec }, Condition::Ready)
        };
        Report { how, exit: Exit::Done, condition: Some(condition), observed: Some(observed.clone()) }
    }

    /// A run whose resources are removed, except the volumes `kept`.
    pub fn removed(observed: &Observed, changed: bool, kept: &'a [String], command: Command) -> Report<'a> {
        let how = OutcomeKind::Gone { changed, kept, of: command };
        Report { how, exit: Exit::Done, condition: Some(Condition::Absent), observed: Some(observed.clone()) }
    }

    /// A run that did not converge. The state is observed again for the report.
    pub async fn unsuccessful<E: Engine>(
        engine: &E,
        graph: &'a Graph,
        outcome: &'a Outcome,
        command: Command,
    ) -> Report<'a> {
        let (how, exit) = match outcome {
            // Unreachable in practice: `converged` and `removed` report this outcome.
            Outcome::Converged { observed, .. } => (OutcomeKind::Interrupted { remaining: observed }, Exit::Failed),
            Outcome::Failed { failures, undone, undid } => {
                let gone = failures.iter().any(|failure| failure.fault == Some(Fault::Unreachable));
                let how = OutcomeKind::Failed { failures, undone: *undone, undid, of: command };
                (how, if gone { Exit::NoEngine } else { Exit::Failed })
            }
            Outcome::OutOfBudget { plan } => (OutcomeKind::OutOfBudget { plan }, Exit::Failed),
            Outcome::Interrupted { remaining } => (OutcomeKind::Interrupted { remaining }, Exit::Interrupted),
        };
        let observed = observe(engine, graph).await.ok();
        let failures = if let OutcomeKind::Failed { failures, .. } = &how { &**failures } else { &[] };
        let condition = observed.as_ref().map(|observed| condition(graph, observed, failures));
        Report { how, exit, condition, observed }
    }
}

/// The state after `failures`. A policy that is not proven is no operation of a plan.
pub(super) fn condition(graph: &Graph, observed: &Observed, failures: &[Failure]) -> Condition {
    let plan = compute(graph, observed, &Options::default());
    let mut status = status(graph, observed, &plan);
    if failures.iter().any(|failure| failure.code == Code::PolicyUnproven) {
        status.is_unproven();
    }
    status.condition
}

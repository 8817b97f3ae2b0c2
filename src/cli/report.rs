//! The final report of a run: screen, history entry and exit code.

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::history_writer::HistoryWriter;
use crate::observe::builds::Builds;
use crate::observe::observe;
use crate::reconcile::Outcome;
use crate::ui::Reporter;
use crate::ui::render::outcome::{Command, Ending, OutcomeKind};
use moat_model::engine::{Engine, Fault};
use moat_model::graph::Graph;
use moat_model::resource::Run;
use moat_model::state::Observed;
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
        (observed, changed): (&Observed, bool),
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

    /// A run that did not converge. The state is observed again for the report.
    pub async fn unsuccessful<E: Engine>(
        engine: &E,
        graph: &'a Graph,
        outcome: &'a Outcome,
        command: Command,
    ) -> Report<'a> {
        let (how, exit) = match outcome {
            // Unreachable in practice: `converged` and `destroy` report this outcome.
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
        let condition = observed.as_ref().map(|observed| condition(graph, observed));
        Report { how, exit, condition, observed }
    }

    /// Writes the history entry, prints the report and returns the exit code.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub async fn publish(
        &self,
        run: &Run,
        reporter: Reporter<'_>,
        history: &HistoryWriter<'_>,
    ) -> Result<Exit, CliError> {
        history.finish(run, self, &|event| reporter.tell(&event)).await;
        let exit_code = self.exit.code();
        let ending = Ending { run, how: self.how, exit_code, condition: self.condition };
        reporter.end(&ending).map_err(CliError::Output)?;
        Ok(self.exit)
    }
}

pub(super) fn condition(graph: &Graph, observed: &Observed) -> Condition {
    let plan = compute(graph, observed, &Options::default());
    status(graph, observed, &plan).condition
}

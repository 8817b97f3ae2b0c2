//! From the outcome of a run to its last screen and its exit code.

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

/// How a run ended, and what that means for a script.
pub struct End<'a> {
    pub how: OutcomeKind<'a>,
    pub exit: Exit,
    pub condition: Option<Condition>,
    /// What is on the engine then.
    pub observed: Option<Observed>,
}

impl<'a> End<'a> {
    /// Of a run that is as its spec and its user want it. `exec`: the words with which a command is run in it.
    pub fn converged(
        graph: &'a Graph,
        (observed, changed): (&Observed, bool),
        builds: Option<&'a Builds>,
        exec: &'a str,
    ) -> End<'a> {
        let (how, condition) = if observed.is_stopped() {
            (OutcomeKind::Stopped { changed }, Condition::Stopped)
        } else if has_completed(graph, observed) {
            (OutcomeKind::Completed { changed }, Condition::Completed)
        } else {
            (OutcomeKind::Ready { graph, changed, builds, exec }, Condition::Ready)
        };
        End { how, exit: Exit::Done, condition: Some(condition), observed: Some(observed.clone()) }
    }

    /// Of a run that did not get to where it was to go. What a user is told of the state is looked up again.
    pub async fn unsuccessful<E: Engine>(
        engine: &E,
        graph: &'a Graph,
        outcome: &'a Outcome,
        command: Command,
    ) -> End<'a> {
        let (how, exit) = match outcome {
            // A destroy that has got there has its own last screen, and so has an apply.
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
        End { how, exit, condition, observed }
    }

    /// Writes it down and tells it, and gives the exit code.
    pub async fn tell(
        &self,
        run: &Run,
        reporter: Reporter<'_>,
        chronicle: &HistoryWriter<'_>,
    ) -> Result<Exit, CliError> {
        chronicle.end(run, self, &|event| reporter.tell(&event)).await;
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

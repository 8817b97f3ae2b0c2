//! The shared part of `moat stop`, `start` and `restart`: an apply with another desired power state.
//!
//! A stopped sandbox is desired state, stored on the engine: see `docs/decisions/`.

use tokio_util::sync::CancellationToken;

use crate::cli::approval::ApprovalArgs;
use crate::cli::args::locking::Locking;
use crate::cli::confirm::Confirm;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::interrupt::{interruptible, unless};
use crate::cli::load::Agent;
use crate::cli::record::Record;
use crate::cli::runner::{Change, Goal, Present, Runner};
use crate::cli::session::Session;
use crate::reconcile::{Claims, OnFailure};
use crate::ui::render::outcome::Command;
use moat_docker::Docker;
use moat_plan::Options;

/// A change of the power state of one sandbox.
pub struct PowerChange<'a> {
    pub agent: Agent,
    pub approving: ApprovalArgs,
    pub options: Options,
    pub command: Command,
    pub locking: &'a Locking,
    /// The sandbox as an argument of the suggested next command; empty for the default spec.
    pub target: String,
    /// Sessions may be ended without asking.
    pub yes: bool,
}

impl PowerChange<'_> {
    /// Applies the change and reports the result.
    ///
    /// # Errors
    /// If the spec is not approved, the lock or the audit log is unavailable, or the user declines.
    pub async fn run(self, engine: &Docker, session: &Session) -> Result<Exit, CliError> {
        let Self { agent, approving, options, command, locking, target, yes } = self;
        let record = &Record::open(command.as_str(), engine)?;
        let stop = &CancellationToken::new();
        let confirm = &Confirm::new(session, yes);
        let runner = Runner { command, engine, locking, record, confirm, stop, claims: Claims::default() };
        let reporter = session.reporter(&agent.graph.run, None);
        let elapsed_timer = reporter.elapsed_timer();
        let work = elapsed_timer.beside(async {
            let graph = unless(stop, approving.pass_one(agent, session, engine, record)).await?.graph;
            let goal = Goal::Present(Present { exec: format!("moat exec{target}"), ..Present::default() });
            // Nothing to roll back: every resource existed before.
            let change = Change { graph: &graph, goal, options, on_failure: OnFailure::Keep };
            runner.run(change, reporter).await
        });
        record.closed(Box::pin(interruptible(&session.screen, stop, work)).await)
    }
}

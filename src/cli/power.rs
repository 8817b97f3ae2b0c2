//! The shared part of `moat stop`, `start` and `restart`: an apply with another desired power state.
//!
//! A stopped sandbox is desired state, stored on the engine: see `docs/decisions/`.

use tokio_util::sync::CancellationToken;

use crate::cli::approval::Approving;
use crate::cli::args::locking::Locking;
use crate::cli::confirm::Confirm;
use crate::cli::credentials::Notice;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::history_writer::HistoryWriter;
use crate::cli::interrupt::{interruptible, unless};
use crate::cli::load::Agent;
use crate::cli::record::Record;
use crate::cli::report::Report;
use crate::cli::session::Session;
use crate::reconcile::{Claims, OnFailure, Outcome, Terms, until_converged_on};
use crate::ui::render::outcome::Command;
use moat_docker::Docker;
use moat_model::state::Observed;
use moat_plan::event::Event;
use moat_plan::{Options, Plan};

/// A change of the power state of one sandbox.
pub struct PowerChange<'a> {
    pub agent: Agent,
    pub approving: Approving,
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
    pub async fn carry_out(self, engine: &Docker, session: &Session) -> Result<Exit, CliError> {
        let Self { agent, approving, options, command, locking, target, yes } = self;
        let record = Record::open(command.as_str(), engine)?;
        let stop = CancellationToken::new();
        let confirm = Confirm::new(session, yes);
        let reporter = session.reporter(&agent.graph.run, None);
        let pulse = reporter.pulse();
        let work = pulse.beside(async {
            let graph = unless(&stop, approving.pass_one(agent, session, engine, &record)).await?.graph;
            let history = HistoryWriter::start(engine, command.as_str());
            let audited = record.of(&graph);
            let emit = |event: Event<'_>| {
                audited.note(&event);
                history.note(&event);
                reporter.tell(&event);
            };
            let notice = Notice::new(engine);
            let tell = |event: Event<'_>| {
                emit(event.clone());
                notice.after(&event, &emit);
            };
            let _lock = locking.lock(command.as_str(), &graph.run, engine, &tell, &stop).await?;
            // Nothing to roll back: every resource existed before.
            let claims = Claims::default();
            let agrees = async |observed: &Observed, plan: &Plan| {
                confirm.ending_sessions(&audited, &graph, observed, plan, &tell).await
            };
            let terms = Terms { claims: &claims, on_failure: OnFailure::Keep, agrees };
            let outcome = until_converged_on(&audited, &graph, options, terms, &tell, &stop).await?;
            let outcome = confirm.unless_declined(outcome)?;
            let exec = format!("moat exec{target}");
            let report = match &outcome {
                Outcome::Converged { observed, changed } => {
                    Report::converged(&graph, (observed, *changed), None, &exec)
                }
                failure => Report::unsuccessful(engine, &graph, failure, command).await,
            };
            report.publish(&graph.run, reporter, &history).await
        });
        record.closed(Box::pin(interruptible(&session.screen, &stop, work)).await)
    }
}

//! Writes the history of a command: collects events, then writes the run record and a history line. Failures are warnings.

use std::io::{self, IsTerminal};
use std::time::Instant;

use crate::cli::report::Report;
use crate::cli::state_directory::state_directory;
use crate::clock::{Clock, written};
use crate::history::line::{Fault, Round, Step};
use crate::history::{HistoryError, Line, Place, Recorder, RunRecord};
use crate::ui::render::outcome::OutcomeKind;
use moat_docker::{Docker, Published};
use moat_model::resource::{ResourceId, Run};
use moat_model::state::Observed;
use moat_plan::Condition;
use moat_plan::event::{Event, OnEvent};

/// The history entry of a running command.
pub struct HistoryWriter<'a> {
    engine: &'a Docker,
    trigger: String,
    recorder: Recorder,
    since: Instant,
}

impl<'a> HistoryWriter<'a> {
    /// Starts an entry. `trigger`: the command, as in `apply`.
    pub fn start(engine: &'a Docker, trigger: &str) -> Self {
        Self { engine, trigger: trigger.to_owned(), recorder: Recorder::default(), since: Instant::now() }
    }

    pub fn note(&self, event: &Event<'_>) {
        self.recorder.note(event);
    }

    /// Writes the result; emits a warning if that fails.
    pub async fn finish(&self, run: &Run, report: &Report<'_>, on_event: OnEvent<'_>) {
        let Some(dir) = state_directory() else { return };
        let engine = self.engine.located().endpoint.to_string();
        let place = Place::of(&dir, &run.id, &engine);
        let errors: Vec<Fault> = match report.how {
            OutcomeKind::Failed { failures, .. } => failures.iter().map(Fault::from).collect(),
            _ => Vec::new(),
        };
        let mut problems = Vec::new();
        // Without changes an existing record is up to date.
        let is_news = !self.recorder.rounds().is_empty() || !place.record.exists();
        if let Some(observed) = report.observed.as_ref().filter(|_| is_news) {
            let rounds = self.recorder.rounds();
            let record = record(self.engine, run, observed, report.condition, &rounds, errors.first()).await;
            problems.extend(record.write(&place).err());
        }
        problems.extend(place.add(&self.line(run, engine, report, errors)).err());
        for problem in problems {
            warn(run, &problem, on_event);
        }
    }

    fn line(&self, run: &Run, engine: String, report: &Report<'_>, errors: Vec<Fault>) -> Line {
        Line {
            v: 1,
            time: written(Clock::System.now()),
            run: run.id.to_string(),
            agent: run.agent.to_string(),
            engine,
            trigger: self.trigger.clone(),
            pid: std::process::id(),
            rounds: self.recorder.rounds(),
            outcome: report.how.code().to_owned(),
            exit_code: report.exit.code(),
            state: report.condition.map(|condition| condition.as_str().to_owned()),
            took_ms: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            errors,
        }
    }
}

/// The record of a run's state. `rounds`: the executed operations, which show whether it was started.
pub(super) async fn record(
    engine: &Docker,
    run: &Run,
    observed: &Observed,
    condition: Option<Condition>,
    rounds: &[Round],
    error: Option<&Fault>,
) -> RunRecord {
    let now = Clock::System.now();
    let mut record = RunRecord::of(run, &engine.located().endpoint.to_string(), observed, now);
    condition.map_or("unknown", Condition::as_str).clone_into(&mut record.state);
    record.interactive = io::stdin().is_terminal();
    record.error = error.cloned();
    let started = |step: &Step| {
        step.resource == ResourceId::main().to_string()
            && step.result == "done"
            && matches!(step.action.as_str(), "start" | "restart")
    };
    if rounds.iter().flat_map(|round| &round.operations).any(started) {
        record.started_at = Some(written(now));
    }
    if matches!(condition, Some(Condition::Stopped | Condition::Absent)) {
        record.started_at = None;
        record.stopped_at = Some(written(now));
    }
    // Without operations no engine call is made, even if the record was lost.
    if let Some(main) = observed.containers_of(&ResourceId::main()).last().filter(|_| !rounds.is_empty()) {
        let ports = engine.ports(&main.id).await.unwrap_or_default();
        record.ports = ports.iter().filter_map(published).collect();
    }
    record
}

/// A published port in docker's notation.
fn published(port: &Published) -> Option<String> {
    let (ip, host_port) = port.host.as_ref()?;
    Some(format!("{}->{}/{}", crate::ui::render::ports::address(ip, *host_port), port.port, port.protocol))
}

pub(super) fn warn(run: &Run, problem: &HistoryError, on_event: OnEvent<'_>) {
    let message = format!("the history is incomplete: {problem}");
    let hint = match problem {
        HistoryError::Newer { .. } => "use that version of moat, or remove the file",
        HistoryError::Corrupt { .. } => "it was rebuilt from the engine's labels",
        HistoryError::File { .. } | HistoryError::Held { .. } => "only the history is affected",
    };
    on_event(Event::Warning { run, message: &message, hint });
}

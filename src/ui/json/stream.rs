//! The event stream for scripts, one JSON object per line.
//!
//! `docs/reference/events.md` specifies every event and every field; a test compares the page with this module.

use std::rc::Rc;

use serde::Serialize;

use crate::clock::{Clock, written};
use crate::ui::Problem;
use crate::ui::encode;
use crate::ui::render::failure;
use crate::ui::render::outcome::{Ending, OutcomeKind, names};
use crate::ui::render::plan::{OperationDocument, number, operations};
use crate::ui::render::problem;
use crate::ui::render::status::BuildsDocument;
use moat_model::resource::{Kind, ResourceId, Run};
use moat_plan::event::{Code, Event, Trigger};
use moat_plan::{Condition, Operation};

/// Renders events as lines with a timestamp.
#[derive(Debug, Clone)]
pub struct Stream {
    pub clock: Clock,
    /// The docker context of the engine, if the user named several.
    pub context: Option<Rc<str>>,
}

/// An event. [`Line::of`] determines the fields of each kind.
#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<Vec<OperationDocument<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<About<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers_done: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<failure::Document<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<TriggerDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<Vec<failure::Document<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    again_ms: Option<Again>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a ResourceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repairs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hosts: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<usize>,
}

/// The delay of a retry in milliseconds; `None`, written as null, if nothing is retried before a change.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Again(Option<u128>);

/// The reason for a round of a watch.
#[derive(Debug, Serialize)]
struct TriggerDocument<'a> {
    kind: &'static str,
    /// The name of the resource or file.
    name: Option<&'a str>,
    /// The action that the engine reported.
    what: Option<&'static str>,
}

/// The last line of a run, with its outcome.
#[derive(Debug, Default, Serialize)]
struct Done<'a> {
    time: String,
    event: &'static str,
    /// `None` if the run is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    outcome: &'static str,
    exit_code: u8,
    /// `None` after success.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    /// `None` if the engine cannot be reached.
    state: Option<Condition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    builds: Option<BuildsDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undone: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undid: Option<Vec<OperationDocument<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<Vec<failure::Document<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<Vec<OperationDocument<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<Vec<String>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    next: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<problem::Document>,
}

/// The last line of a command for several agents.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    time: String,
    event: &'static str,
    exit_code: u8,
    agents: Vec<Ended<'a>>,
}

#[derive(Debug, Serialize)]
struct Ended<'a> {
    run: &'a str,
    agent: &'a str,
    exit_code: u8,
}

/// The operation of the last plan that an event refers to.
#[derive(Debug, Serialize)]
struct About<'a> {
    id: usize,
    action: &'static str,
    kind: Kind,
    resource: &'a ResourceId,
    name: &'a str,
}

impl Stream {
    /// Returns the line of an event of one run, or of all runs; ends with a line feed.
    pub fn line(&self, run: Option<&Run>, event: &Event<'_>) -> String {
        let (id, agent) = (run.map(|run| run.id.as_str()), run.map(|run| run.agent.as_str()));
        let context = self.context.as_deref();
        encode::compact(&Line { time: written(self.clock.now()), run: id, agent, context, ..Line::of(event) })
    }

    /// Returns the last line of a run.
    pub fn done(&self, ending: &Ending<'_>) -> String {
        let done = Done {
            time: written(self.clock.now()),
            event: "done",
            run: Some(ending.run.id.as_str()),
            agent: Some(ending.run.agent.as_str()),
            context: self.context.as_deref(),
            outcome: ending.how.code(),
            exit_code: ending.exit_code,
            code: ending.how.cause(),
            state: ending.condition,
            next: ending.how.next(),
            ..Done::default()
        };
        encode::compact(&match ending.how {
            OutcomeKind::Ready { changed, builds, .. } => {
                let builds = builds.map(|builds| BuildsDocument::of(builds, None));
                Done { changed: Some(changed), builds, ..done }
            }
            OutcomeKind::Completed { changed } | OutcomeKind::Stopped { changed } => {
                Done { changed: Some(changed), ..done }
            }
            OutcomeKind::Gone { changed, kept, .. } => Done { changed: Some(changed), kept: Some(kept), ..done },
            OutcomeKind::Failed { failures, undone, undid, .. } => {
                let failures = failures.iter().map(failure::Document::of).collect();
                let undid = undid.iter().map(OperationDocument::of).collect();
                Done { undone: Some(undone), undid: Some(undid), failures: Some(failures), ..done }
            }
            OutcomeKind::OutOfBudget { plan } => Done { operations: Some(operations(plan)), ..done },
            OutcomeKind::Interrupted { remaining } => Done { remaining: Some(names(remaining)), ..done },
        })
    }

    /// Returns the last line of a command that failed before its run started. `run` is set if it is one of several.
    pub fn refused(&self, run: Option<&Run>, problems: &[Problem<'_>], exit_code: u8) -> String {
        encode::compact(&Done {
            time: written(self.clock.now()),
            event: "done",
            run: run.map(|run| run.id.as_str()),
            agent: run.map(|run| run.agent.as_str()),
            context: self.context.as_deref(),
            outcome: "error",
            exit_code,
            code: problems.first().map(|problem| problem.code),
            error: Some(problem::Document::of(problems)),
            ..Done::default()
        })
    }

    /// Returns the last line of a command for several agents.
    pub fn summary(&self, ended: &[(&Run, u8)], exit_code: u8) -> String {
        let agents = ended.iter().map(|(run, exit_code)| Ended {
            run: run.id.as_str(),
            agent: run.agent.as_str(),
            exit_code: *exit_code,
        });
        encode::compact(&Summary {
            time: written(self.clock.now()),
            event: "summary",
            exit_code,
            agents: agents.collect(),
        })
    }
}

impl<'a> Line<'a> {
    fn of(event: &Event<'a>) -> Self {
        let about = |operation: &'a Operation| Some(About::of(operation));
        match event {
            Event::Planned { round, plan, .. } => {
                Self { event: "planned", round: Some(*round), operations: Some(operations(plan)), ..Self::default() }
            }
            Event::Started { operation } => Self { event: "started", operation: about(operation), ..Self::default() },
            Event::Progress { operation, progress } => Self {
                event: "progress",
                operation: about(operation),
                current_bytes: Some(progress.current),
                total_bytes: Some(progress.total),
                layers_done: Some(progress.layers_done),
                layers: Some(progress.layers),
                ..Self::default()
            },
            Event::Step { operation, step } => {
                Self { event: "step", operation: about(operation), message: Some(step), ..Self::default() }
            }
            Event::Retrying { operation, error, attempt, pause } => Self {
                event: "retrying",
                operation: about(operation),
                message: Some(error),
                attempt: Some(*attempt),
                pause_ms: Some(pause.as_millis()),
                ..Self::default()
            },
            Event::Succeeded { operation, took } => Self {
                event: "succeeded",
                operation: about(operation),
                took_ms: Some(took.as_millis()),
                ..Self::default()
            },
            Event::Failed { operation, failure, took } => Self {
                event: "failed",
                operation: about(operation),
                took_ms: Some(took.as_millis()),
                failure: Some(failure::Document::of(failure)),
                ..Self::default()
            },
            Event::Skipped { operation, because } => {
                Self { event: "skipped", operation: about(operation), because: Some(because.0 + 1), ..Self::default() }
            }
            Event::Undoing { plan, .. } => {
                Self { event: "undoing", operations: Some(operations(plan)), ..Self::default() }
            }
            Event::Warning { message, hint, .. } => {
                Self { event: "warning", message: Some(message), hint: Some(hint), ..Self::default() }
            }
            _ => Self::of_watch(event),
        }
    }
}

impl<'a> Line<'a> {
    /// Returns the line of an event that only a watch reports.
    fn of_watch(event: &Event<'a>) -> Self {
        match event {
            Event::Woken { trigger, .. } => {
                Self { event: "woken", trigger: Some(TriggerDocument::of(trigger)), ..Self::default() }
            }
            Event::Settled { took, .. } => {
                Self { event: "settled", took_ms: Some(took.as_millis()), ..Self::default() }
            }
            Event::Unsettled { failures, again, .. } => Self {
                event: "unsettled",
                failures: Some(failures.iter().map(failure::Document::of).collect()),
                again_ms: Some(Again(again.map(|pause| pause.as_millis()))),
                ..Self::default()
            },
            Event::BackingOff { resource, repairs, pause, log, .. } => Self {
                event: "backing-off",
                resource: Some(resource),
                repairs: Some(*repairs),
                pause_ms: Some(pause.as_millis()),
                log: Some(log),
                ..Self::default()
            },
            Event::Reloaded { .. } => Self { event: "reloaded", ..Self::default() },
            Event::Rejected { problem, .. } => Self { event: "rejected", message: Some(problem), ..Self::default() },
            Event::SpecGone { .. } => Self { event: "spec-gone", ..Self::default() },
            Event::Held { more, .. } => Self { event: "held", more: Some(more), ..Self::default() },
            Event::Postponed { sessions, .. } => {
                Self { event: "postponed", sessions: Some(*sessions), ..Self::default() }
            }
            Event::Denied { hosts, others, .. } => {
                Self { event: "denied", hosts: Some(hosts), others: Some(*others), ..Self::default() }
            }
            Event::EngineLost { error } => Self { event: "engine-lost", message: Some(error), ..Self::default() },
            Event::EngineBack => Self { event: "engine-back", ..Self::default() },
            Event::Planned { .. }
            | Event::Started { .. }
            | Event::Progress { .. }
            | Event::Step { .. }
            | Event::Retrying { .. }
            | Event::Succeeded { .. }
            | Event::Failed { .. }
            | Event::Skipped { .. }
            | Event::Undoing { .. }
            | Event::Warning { .. } => Self::default(),
        }
    }
}

impl<'a> TriggerDocument<'a> {
    fn of(trigger: &'a Trigger) -> Self {
        let (name, what) = match trigger {
            Trigger::File(name) => (Some(name.as_str()), None),
            Trigger::Engine { what, name } => (Some(name.as_str()), Some(what.code())),
            Trigger::Credential { grant, .. } => (Some(grant.as_str()), None),
            _ => (None, None),
        };
        Self { kind: trigger.code(), name, what }
    }
}

impl<'a> About<'a> {
    fn of(operation: &'a Operation) -> Self {
        Self {
            id: number(operation),
            action: operation.action.verb(),
            kind: operation.resource.kind,
            resource: &operation.resource,
            name: &operation.name,
        }
    }
}

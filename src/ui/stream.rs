//! A run as it happens, for scripts: one JSON object a line.
//!
//! Every kind of line and every field is promised in `specs/events.md`; a test holds the two together.

use serde::Serialize;

use super::ending::{Ending, How, names};
use super::plan::{OperationDocument, number, operations};
use super::status::BuildsDocument;
use super::{Problem, problem};
use crate::clock::{Clock, written};
use crate::event::{Event, Failure};
use crate::plan::{Condition, Operation};
use crate::resource::{Kind, ResourceId};

/// Makes lines, each with the time of its making.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    pub clock: Clock,
}

/// What happens. Which fields a kind has is said where the line is made.
#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
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
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// The last line: how it ended.
#[derive(Debug, Default, Serialize)]
struct Done<'a> {
    time: String,
    event: &'static str,
    outcome: &'static str,
    exit_code: u8,
    /// `None`: the engine could not be asked, or not any more.
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
    failures: Option<Vec<FailureDocument<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<Vec<OperationDocument<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<problem::Document>,
}

/// The operation of the last plan that a line is about.
#[derive(Debug, Serialize)]
struct About<'a> {
    id: usize,
    action: &'static str,
    kind: Kind,
    resource: &'a ResourceId,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct FailureDocument<'a> {
    resource: &'a ResourceId,
    name: &'a str,
    action: &'static str,
    fault: Option<&'static str>,
    message: &'a str,
    hint: Option<&'a str>,
    log: &'a [String],
}

impl Stream {
    /// What happens, as a line; ends with a line feed.
    pub fn line(self, event: &Event<'_>) -> String {
        compact(&Line { time: written(self.clock.now()), ..Line::of(event) })
    }

    /// How a run ended, as the last line.
    pub fn done(self, ending: &Ending<'_>) -> String {
        let done = Done {
            time: written(self.clock.now()),
            event: "done",
            outcome: ending.how.code(),
            exit_code: ending.exit_code,
            state: ending.condition,
            ..Done::default()
        };
        compact(&match ending.how {
            How::Ready { changed, builds, .. } => {
                let builds = builds.map(|builds| BuildsDocument::of(builds, None));
                Done { changed: Some(changed), builds, ..done }
            }
            How::Gone { changed, kept } => Done { changed: Some(changed), kept: Some(kept), ..done },
            How::Failed { failures, undone, .. } => {
                let failures = failures.iter().map(FailureDocument::of).collect();
                Done { undone: Some(undone), failures: Some(failures), ..done }
            }
            How::OutOfBudget { plan } => Done { operations: Some(operations(plan)), ..done },
            How::Interrupted { remaining } => Done { remaining: Some(names(remaining)), ..done },
        })
    }

    /// That a run could not do its work at all, as the last line.
    pub fn refused(self, problem: &Problem<'_>, exit_code: u8) -> String {
        compact(&Done {
            time: written(self.clock.now()),
            event: "done",
            outcome: "error",
            exit_code,
            error: Some(problem.document()),
            ..Done::default()
        })
    }
}

impl<'a> Line<'a> {
    fn of(event: &Event<'a>) -> Self {
        let about = |operation: &'a Operation| Some(About::of(operation));
        match event {
            Event::Planned { run, round, plan } => Self {
                event: "planned",
                run: Some(run.id.as_str()),
                agent: Some(run.agent.as_str()),
                round: Some(*round),
                operations: Some(operations(plan)),
                ..Self::default()
            },
            Event::Started { operation } => Self { event: "started", operation: about(operation), ..Self::default() },
            Event::Progress { operation, progress } => Self {
                event: "progress",
                operation: about(operation),
                current_bytes: Some(progress.current),
                total_bytes: Some(progress.total),
                ..Self::default()
            },
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
                failure: Some(FailureDocument::of(failure)),
                ..Self::default()
            },
            Event::Skipped { operation, because } => {
                Self { event: "skipped", operation: about(operation), because: Some(because.0 + 1), ..Self::default() }
            }
            Event::Undoing { run, plan } => Self {
                event: "undoing",
                run: Some(run.id.as_str()),
                agent: Some(run.agent.as_str()),
                operations: Some(operations(plan)),
                ..Self::default()
            },
            Event::Warning { run, message, hint } => Self {
                event: "warning",
                run: Some(run.id.as_str()),
                agent: Some(run.agent.as_str()),
                message: Some(message),
                hint: Some(hint),
                ..Self::default()
            },
        }
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

impl<'a> FailureDocument<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self {
            resource: &failure.resource,
            name: &failure.name,
            action: failure.verb,
            fault: failure.fault.map(crate::engine::Fault::code),
            message: &failure.message,
            hint: failure.hint.as_deref(),
            log: &failure.log,
        }
    }
}

/// A document of several lines; ends with a line feed.
pub(super) fn json(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).expect("plain structs with string keys always serialise") + "\n"
}

fn compact(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("plain structs with string keys always serialise") + "\n"
}

//! Everything that a run can say: one closed enum between the run and whoever looks.
//!
//! Events tell; nobody acts on them. How they look is the business of `ui`; the times are the reader's.

mod code;
mod trigger;

use std::time::Duration;

use crate::{OpId, Operation, Plan};
pub use code::Code;
use moat_model::engine::{Fault, PullProgress};
use moat_model::resource::{ResourceId, Run};
pub use trigger::Trigger;

/// Told as it happens, in this order: a round's plan, its operations, the outcome.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A round has looked and knows what to do. Not told when there is nothing to do.
    Planned {
        run: &'a Run,
        round: u32,
        plan: &'a Plan,
    },
    Started {
        operation: &'a Operation,
    },
    /// An image is being fetched.
    Progress {
        operation: &'a Operation,
        progress: PullProgress,
    },
    /// An image is being made, and a step of it has begun, in the engine's words.
    Step {
        operation: &'a Operation,
        step: &'a str,
    },
    /// A passing fault; the same call is made again after `pause`.
    Retrying {
        operation: &'a Operation,
        error: &'a str,
        attempt: u32,
        pause: Duration,
    },
    Succeeded {
        operation: &'a Operation,
        took: Duration,
    },
    Failed {
        operation: &'a Operation,
        failure: &'a Failure,
        took: Duration,
    },
    /// Not tried, because something that it waits for failed.
    Skipped {
        operation: &'a Operation,
        because: OpId,
    },
    /// What a failed apply has done is undone, by a plan like any other.
    Undoing {
        run: &'a Run,
        plan: &'a Plan,
    },
    /// Something that the user should know, and that does not keep the sandbox from working.
    Warning {
        run: &'a Run,
        message: &'a str,
        hint: &'a str,
    },
    /// From here on a watch: what woke it, told when there is something to do.
    Woken {
        run: &'a Run,
        trigger: &'a Trigger,
        /// People know it from the spec that was read.
        is_told: bool,
    },
    /// A round of a watch has come to its end, and the world is as wanted.
    Settled {
        run: &'a Run,
        took: Duration,
    },
    /// A round of a watch did not get there. `again`: when it is tried again; `None`: when something changes.
    Unsettled {
        run: &'a Run,
        failures: &'a [Failure],
        again: Option<Duration>,
    },
    /// A container had to be repaired so often in a short time that it is left alone for a while.
    BackingOff {
        run: &'a Run,
        resource: &'a ResourceId,
        repairs: u32,
        pause: Duration,
        /// The end of its own output.
        log: &'a [String],
    },
    /// The spec is different, and can be used.
    Reloaded {
        run: &'a Run,
        trigger: &'a Trigger,
    },
    /// The spec is different, and cannot be used: what was wanted before is wanted still.
    Rejected {
        run: &'a Run,
        problem: &'a str,
    },
    /// There is no spec file any more. Nothing is removed for that.
    SpecGone {
        run: &'a Run,
    },
    /// The spec asks for more than it had, which a person has to approve first.
    Held {
        run: &'a Run,
        more: &'a [String],
    },
    /// What is to be done would end sessions of people, and waits for them.
    Postponed {
        run: &'a Run,
        sessions: usize,
    },
    /// The engine does not answer any more.
    EngineLost {
        error: &'a str,
    },
    /// The engine answers again.
    EngineBack,
}

/// Why an operation failed, with what a person needs to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub resource: ResourceId,
    /// The engine's name of what was acted on.
    pub name: String,
    pub verb: &'static str,
    /// For whoever acts on it.
    pub code: Code,
    pub fault: Option<Fault>,
    /// Lowercase, names in backticks, no full stop.
    pub message: String,
    pub hint: Option<String>,
    /// Of the container, if it ended.
    pub exit_code: Option<i64>,
    /// What it was asked in vain.
    pub probe: Option<Asked>,
    /// The last lines of the container's own output.
    pub log: Vec<String>,
}

/// A question to a container that was never answered with yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub command: String,
    /// Of the last time; `None`: it could never be put.
    pub exit_code: Option<i64>,
    /// The last line of what it said.
    pub output: Option<String>,
}

/// Where events go.
pub type Tell<'a> = &'a dyn Fn(Event<'_>);

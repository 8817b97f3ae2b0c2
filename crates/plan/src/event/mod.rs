//! Events: one closed enum for everything that a run reports.
//!
//! Events only inform; no decision depends on them. The `ui` renders them; readers add timestamps.

mod code;
mod trigger;

use std::time::Duration;

use crate::{OpId, Operation, Plan};
pub use code::Code;
use moat_model::engine::{Fault, PullProgress};
use moat_model::resource::{ResourceId, Run};
pub use trigger::Trigger;

/// Reported as it happens, in this order: the plan of a round, its operations, the outcome.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A round has a plan. Not reported if the plan is empty.
    Planned {
        run: &'a Run,
        round: u32,
        plan: &'a Plan,
    },
    Started {
        operation: &'a Operation,
    },
    /// Progress of a pull.
    Progress {
        operation: &'a Operation,
        progress: PullProgress,
    },
    /// A step of an image build started; `step` is the engine's text.
    Step {
        operation: &'a Operation,
        step: &'a str,
    },
    /// A transient fault; the call is retried after `pause`.
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
    /// The operation was not tried because a required one failed.
    Skipped {
        operation: &'a Operation,
        because: OpId,
    },
    /// A failed apply is rolled back by this plan.
    Undoing {
        run: &'a Run,
        plan: &'a Plan,
    },
    /// A problem that does not keep the sandbox from working.
    Warning {
        run: &'a Run,
        message: &'a str,
        hint: &'a str,
    },
    /// First of the events of a watch: its trigger, reported if there is something to do.
    Woken {
        run: &'a Run,
        trigger: &'a Trigger,
        /// People know it from the spec that was read.
        is_reported: bool,
    },
    /// A round of a watch ended in sync.
    Settled {
        run: &'a Run,
        took: Duration,
    },
    /// A round of a watch failed. `again` is the time until the retry; `None` if only a change triggers one.
    Unsettled {
        run: &'a Run,
        failures: &'a [Failure],
        again: Option<Duration>,
    },
    /// A container needed so many repairs in a short time that repairs pause.
    BackingOff {
        run: &'a Run,
        resource: &'a ResourceId,
        repairs: u32,
        pause: Duration,
        /// The last lines of its output.
        log: &'a [String],
    },
    /// The spec changed and is valid.
    Reloaded {
        run: &'a Run,
        trigger: &'a Trigger,
    },
    /// The spec changed and is invalid: the desired state stays as it was.
    Rejected {
        run: &'a Run,
        problem: &'a str,
    },
    /// The spec file no longer exists. Nothing is removed.
    SpecGone {
        run: &'a Run,
    },
    /// The spec requests more than was approved, and waits for an approval.
    Held {
        run: &'a Run,
        more: &'a [String],
    },
    /// The plan would end sessions of users, and waits for them.
    Postponed {
        run: &'a Run,
        sessions: usize,
    },
    /// The gateway of a sandbox denied hosts, as in `evil.example:443`; `others` is the number of those not listed.
    Denied {
        run: &'a Run,
        hosts: &'a [String],
        others: usize,
    },
    /// The engine stopped answering.
    EngineLost {
        error: &'a str,
    },
    /// The engine answers again.
    EngineBack,
}

/// A failed operation, with what a user needs to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub resource: ResourceId,
    /// The name of the resource on the engine.
    pub name: String,
    pub verb: &'static str,
    /// The stable code, for scripts.
    pub code: Code,
    pub fault: Option<Fault>,
    /// In lower case, with names in backticks, without a full stop.
    pub message: String,
    pub hint: Option<String>,
    /// The exit code of the container, if it exited.
    pub exit_code: Option<i64>,
    /// The probe that never succeeded.
    pub probe: Option<Asked>,
    /// The last lines of the container's output.
    pub log: Vec<String>,
}

/// A probe that never succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub command: String,
    /// The exit code of the last try; `None` if the probe never ran.
    pub exit_code: Option<i64>,
    /// The last line of its output.
    pub output: Option<String>,
}

/// The receiver of events.
pub type OnEvent<'a> = &'a dyn Fn(Event<'_>);

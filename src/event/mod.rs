//! Everything that a run can say: one closed enum between the run and whoever looks.
//!
//! Events tell; nobody acts on them. How they look is the business of `ui`; the times are the reader's.

use std::time::Duration;

use crate::engine::{Fault, PullProgress};
use crate::plan::{OpId, Operation, Plan};
use crate::resource::{ResourceId, Run};

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
}

/// Why an operation failed, with what a person needs to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub resource: ResourceId,
    /// The engine's name of what was acted on.
    pub name: String,
    pub verb: &'static str,
    pub fault: Option<Fault>,
    /// Lowercase, names in backticks, no full stop.
    pub message: String,
    pub hint: Option<String>,
    /// The last lines of the container's own output.
    pub log: Vec<String>,
}

/// Where events go.
pub type Tell<'a> = &'a dyn Fn(Event<'_>);

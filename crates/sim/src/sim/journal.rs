//! The simulator's records for tests: every call with its times and outcome, the calls
//! that broke a rule, and lost data.

use std::fmt::Write as _;
use std::time::Duration;

use moat_model::engine::call::Call;
use moat_model::engine::{EngineError, Fault};
use moat_model::resource::ResourceId;

/// One call and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub call: Call,
    /// The name of its subject.
    pub subject: String,
    /// The time since the start of the simulation.
    pub began: Duration,
    pub ended: Option<Duration>,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The call was dropped, or is in flight.
    Open,
    Done,
    Refused(EngineError),
}

/// An order that a test requires: `dependent` may take `step` only once `on` has reached `until`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub dependent: ResourceId,
    pub step: Step,
    pub on: ResourceId,
    pub until: Reached,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Create,
    Start,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    Created,
    Started,
    Ready,
}

/// Actions that a correct caller never takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A call changed or used an object without moat's labels.
    Foreign { call: Call, name: String },
    /// Two daemons ran on one volume's state.
    SharedState { volume: String, first: String, second: String },
    /// A [`Rule`] was broken.
    Order { dependent: String, step: Step, on: ResourceId, until: Reached },
}

#[derive(Debug, Default)]
pub(super) struct Journal {
    pub entries: Vec<Entry>,
    pub violations: Vec<Violation>,
    pub rules: Vec<Rule>,
    /// Volumes that held data when a call removed them.
    pub data_lost: Vec<String>,
    pub in_flight: usize,
    pub peak: usize,
}

impl Journal {
    pub fn begin(&mut self, call: Call, subject: String, now: Duration) -> usize {
        self.in_flight += 1;
        self.peak = self.peak.max(self.in_flight);
        self.entries.push(Entry { call, subject, began: now, ended: None, outcome: Outcome::Open });
        self.entries.len() - 1
    }

    pub fn end(&mut self, number: usize, outcome: Outcome, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        // A test may clear the journal while a call is in flight.
        if let Some(entry) = self.entries.get_mut(number) {
            entry.ended = Some(now);
            entry.outcome = outcome;
        }
    }

    pub fn violate(&mut self, violation: Violation) {
        if !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }
}

impl Entry {
    /// The kind of refusal, if it was refused.
    pub fn fault(&self) -> Option<Fault> {
        match &self.outcome {
            Outcome::Refused(error) => Some(error.fault),
            Outcome::Open | Outcome::Done => None,
        }
    }
}

/// The calls as text, one a line, in the order of their starts.
pub fn render(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let Entry { call, subject, began, .. } = entry;
        let took =
            entry.ended.map_or_else(|| "-".to_owned(), |end| format!("{}ms", end.saturating_sub(*began).as_millis()));
        let outcome = match &entry.outcome {
            Outcome::Open => "open".to_owned(),
            Outcome::Done => "ok".to_owned(),
            Outcome::Refused(error) => format!("{}: {error}", error.fault),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:>8}ms {took:>7}  {call} {subject}: {outcome}", began.as_millis());
    }
    text
}

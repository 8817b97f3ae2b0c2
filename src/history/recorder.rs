//! Collects the events of a run for its history.

use std::cell::RefCell;
use std::time::Duration;

use super::line::{Fault, Round, Step};
use moat_plan::event::{Event, Failure};
use moat_plan::{Operation, Plan};

/// The rounds of a run.
#[derive(Debug, Default)]
pub struct Recorder(RefCell<Vec<Round>>);

impl Recorder {
    pub fn note(&self, event: &Event<'_>) {
        let mut rounds = self.0.borrow_mut();
        match event {
            Event::Planned { round, plan, .. } => rounds.push(started(*round, plan)),
            Event::Undoing { plan, .. } => rounds.push(started(0, plan)),
            Event::Succeeded { operation, took } => mark(&mut rounds, operation, "done", Some(*took)),
            Event::Failed { operation, took, .. } => mark(&mut rounds, operation, "failed", Some(*took)),
            Event::Skipped { operation, .. } => mark(&mut rounds, operation, "skipped", None),
            // No other event is part of the history.
            _ => {}
        }
    }

    pub fn rounds(&self) -> Vec<Round> {
        self.0.borrow().clone()
    }
}

fn started(round: u32, plan: &Plan) -> Round {
    let step = |operation: &Operation| Step {
        action: operation.action.verb().to_owned(),
        resource: operation.resource.to_string(),
        name: operation.name.clone(),
        cause: operation.cause.code().to_owned(),
        // Until its result is reported.
        result: "left".to_owned(),
        took_ms: None,
    };
    Round { round, operations: plan.operations.iter().map(step).collect() }
}

fn mark(rounds: &mut [Round], operation: &Operation, result: &str, took: Option<Duration>) {
    let Some(step) = rounds.last_mut().and_then(|round| round.operations.get_mut(operation.id.0)) else { return };
    result.clone_into(&mut step.result);
    step.took_ms = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
}

impl From<&Failure> for Fault {
    fn from(failure: &Failure) -> Self {
        Self {
            resource: failure.resource.to_string(),
            name: failure.name.clone(),
            action: failure.verb.to_owned(),
            code: Some(failure.code.as_str().to_owned()),
            message: failure.message.clone(),
            hint: failure.hint.clone(),
        }
    }
}

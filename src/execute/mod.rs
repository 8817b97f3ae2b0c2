//! Executes a plan, with as many operations in parallel as possible. Makes no decisions.
//!
//! An operation starts when all required ones have succeeded. If one fails, its dependents are skipped and reported by
//! name; all others continue. Total: there always is a report.

pub mod call;
pub mod failure;
pub mod ready;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use call::{Output, call};
use moat_model::engine::{Created, Engine};
use moat_model::resource::ContainerId;
use moat_plan::event::{Event, Failure, OnEvent};
use moat_plan::{OpId, Operation, Plan};

/// The maximum number of concurrent calls. A local engine handles some dozens; more only queue inside it.
const MAX_IN_FLIGHT: usize = 16;

/// The result of a plan.
#[derive(Debug, Default)]
pub struct Report {
    pub failures: Vec<(OpId, Failure)>,
    /// Not tried: the operation, and the failed one that it required, directly or not.
    pub skipped: BTreeMap<OpId, OpId>,
    /// Not tried because of an interrupt.
    pub left: Vec<OpId>,
    /// The created resources, by engine ids; for a volume, its name.
    pub created: BTreeSet<String>,
    pub proven: BTreeSet<ContainerId>,
}

impl Report {
    pub fn succeeded(&self) -> bool {
        self.failures.is_empty() && self.left.is_empty()
    }

    fn note(&mut self, output: &Output) {
        match output {
            Output::Created(Created::Nothing) => {}
            Output::Created(Created::Container(id)) => {
                self.created.insert(id.to_string());
            }
            Output::Created(Created::Network(id)) => {
                self.created.insert(id.to_string());
            }
            Output::Created(Created::Volume(name)) => {
                self.created.insert(name.clone());
            }
            Output::Proof(id) => {
                self.proven.insert(id.clone());
            }
        }
    }

    /// Whether an operation of the plan succeeded.
    pub fn has_done(&self, id: OpId) -> bool {
        let failed = self.failures.iter().any(|(failed, _)| *failed == id);
        !failed && !self.skipped.contains_key(&id) && !self.left.contains(&id)
    }
}

/// Executes `plan`. Once `stop` is cancelled, no operation starts, and those in flight finish.
pub async fn execute<E: Engine>(engine: &E, plan: &Plan, on_event: OnEvent<'_>, stop: &CancellationToken) -> Report {
    let mut report = Report::default();
    let mut made: BTreeMap<OpId, Output> = BTreeMap::new();
    let mut waiting: BTreeSet<OpId> = plan.operations.iter().map(|operation| operation.id).collect();
    let mut running = FuturesUnordered::new();
    loop {
        for operation in startable(plan, &mut waiting, &made, MAX_IN_FLIGHT - running.len()) {
            if stop.is_cancelled() {
                report.left.push(operation.id);
                continue;
            }
            on_event(Event::Started { operation });
            // An operation may use the output of one that it requires indirectly.
            let known = made.clone();
            running.push(async move {
                let start = Instant::now();
                (operation, call(engine, operation, known, on_event, stop).await, start.elapsed())
            });
        }
        let Some((operation, outcome, took)) = running.next().await else { break };
        match outcome {
            Ok(done) => {
                on_event(Event::Succeeded { operation, took });
                report.note(&done);
                made.insert(operation.id, done);
            }
            Err(failure) => {
                on_event(Event::Failed { operation, failure: &failure, took });
                report.failures.push((operation.id, *failure));
                skip(plan, operation.id, &mut waiting, &mut report, on_event);
            }
        }
    }
    // The rest requires an operation that the interrupt kept from starting.
    report.left.extend(waiting);
    report.failures.sort_by_key(|(id, _)| *id);
    report
}

/// Removes from `waiting` the operations that can start now, in the plan's order.
fn startable<'a>(
    plan: &'a Plan,
    waiting: &mut BTreeSet<OpId>,
    made: &BTreeMap<OpId, Output>,
    room: usize,
) -> Vec<&'a Operation> {
    let operations = waiting.iter().filter_map(|id| plan.operations.get(id.0));
    let free = operations.filter(|operation| operation.after.iter().all(|id| made.contains_key(id)));
    let start: Vec<_> = free.take(room).collect();
    for operation in &start {
        waiting.remove(&operation.id);
    }
    start
}

/// Skips all operations that require `failed`, directly or not.
fn skip(plan: &Plan, failed: OpId, waiting: &mut BTreeSet<OpId>, report: &mut Report, on_event: OnEvent<'_>) {
    let mut gone = BTreeSet::from([failed]);
    for operation in &plan.operations {
        if waiting.contains(&operation.id) && operation.after.iter().any(|id| gone.contains(id)) {
            waiting.remove(&operation.id);
            gone.insert(operation.id);
            report.skipped.insert(operation.id, failed);
            on_event(Event::Skipped { operation, because: failed });
        }
    }
}

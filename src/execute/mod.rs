//! Carries out a plan: everything that can run at once does, and nothing is decided here.
//!
//! An operation starts when all that it waits for has succeeded. One that fails takes its dependents with it, by
//! name; everything else goes on. Total: whatever happens, there is a report.

pub mod call;
pub mod failure;
pub mod ready;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use call::{Output, call};
use moat_model::engine::Engine;
use moat_model::resource::ContainerId;
use moat_plan::event::{Event, Failure, Tell};
use moat_plan::{OpId, Operation, Plan};

/// Calls in flight at once. A local engine answers some dozens side by side; more only queue up inside it.
const MAX_IN_FLIGHT: usize = 16;

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Report {
    pub failures: Vec<(OpId, Failure)>,
    /// Not tried: the operation, and the failed one that it waited for, directly or not.
    pub skipped: BTreeMap<OpId, OpId>,
    /// Not tried, because an interrupt came first.
    pub left: Vec<OpId>,
    /// By the engine's ids; a volume's is its name.
    pub created: BTreeSet<String>,
    pub proven: BTreeSet<ContainerId>,
}

impl Report {
    pub fn succeeded(&self) -> bool {
        self.failures.is_empty() && self.left.is_empty()
    }

    /// Whether an operation of the plan was tried, and succeeded.
    pub fn has_done(&self, id: OpId) -> bool {
        let failed = self.failures.iter().any(|(failed, _)| *failed == id);
        !failed && !self.skipped.contains_key(&id) && !self.left.contains(&id)
    }
}

/// Carries out `plan`. Once `stop` is cancelled nothing new starts, and what is in flight is finished.
pub async fn execute<E: Engine>(engine: &E, plan: &Plan, tell: Tell<'_>, stop: &CancellationToken) -> Report {
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
            tell(Event::Started { operation });
            // What an operation uses may come from one that it waits for through others.
            let known = made.clone();
            running.push(async move {
                let start = Instant::now();
                (operation, call(engine, operation, known, tell, stop).await, start.elapsed())
            });
        }
        let Some((operation, outcome, took)) = running.next().await else { break };
        match outcome {
            Ok(done) => {
                tell(Event::Succeeded { operation, took });
                done.note(&mut report);
                made.insert(operation.id, done);
            }
            Err(failure) => {
                tell(Event::Failed { operation, failure: &failure, took });
                report.failures.push((operation.id, *failure));
                skip(plan, operation.id, &mut waiting, &mut report, tell);
            }
        }
    }
    // What is still waiting does so for something that an interrupt kept from starting.
    report.left.extend(waiting);
    report.failures.sort_by_key(|(id, _)| *id);
    report
}

/// Takes out of `waiting` what can start now, in the plan's order.
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

/// Everything that waits for `failed`, directly or not, will never start.
fn skip(plan: &Plan, failed: OpId, waiting: &mut BTreeSet<OpId>, report: &mut Report, tell: Tell<'_>) {
    let mut gone = BTreeSet::from([failed]);
    for operation in &plan.operations {
        if waiting.contains(&operation.id) && operation.after.iter().any(|id| gone.contains(id)) {
            waiting.remove(&operation.id);
            gone.insert(operation.id);
            report.skipped.insert(operation.id, failed);
            tell(Event::Skipped { operation, because: failed });
        }
    }
}

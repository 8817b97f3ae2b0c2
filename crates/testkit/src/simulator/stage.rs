//! The setting of a case: a simulated engine with foreign objects, and a moat that is restarted after crashes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use moat::reconcile::{Claims, OnFailure, Outcome, until_converged};
use moat_model::engine::{EngineError, Fault};
use moat_model::graph::{Gate, Graph, Milestone};
use moat_model::resource::{Config, ContainerConfig, ImageRef, NetworkAttachment, Probe, ResourceId, RunId, label};
use moat_plan::event::Event;
use moat_plan::{OpId, Options};
use moat_sim::faulty::{Faulty, Schedule};
use moat_sim::interference::Interference;
use moat_sim::sim::{Behaviour, Reached, Rule, Scope, Settings, Sim, Step};
use tokio_util::sync::CancellationToken;

use super::case::{Case, PROGRAMS, run};
use super::soundness;

/// The maximum number of starts of moat before a case counts as not converging.
const ATTEMPTS: usize = 12;

pub struct Stage {
    pub sim: Sim,
    pub run: RunId,
    /// Claims are shared, as if all concurrent runs were of one process.
    claims: Claims,
    /// A rollback happened: restored containers need not wait for new ones.
    pub undid: Cell<bool>,
    /// An operation was given up because the engine was busy.
    pub gave_up: Cell<bool>,
    /// The initial snapshot of objects outside the run.
    neighbours: RefCell<String>,
}

/// The result of one start of moat.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Attempt {
    Crashed,
    Ended(Result<Outcome, EngineError>),
}

impl Attempt {
    pub fn converged(&self) -> bool {
        matches!(self, Self::Ended(Ok(Outcome::Converged { .. })))
    }
}

pub use super::search::Verdict;

impl Stage {
    pub fn new(case: &Case) -> Self {
        let sim = Sim::new(&Settings { duplicate_networks: case.duplicates(), ..Settings::default() });
        for program in PROGRAMS {
            sim.publish(&program.image(), program.behaviour());
        }
        for name in ["moat-neighbour", "renamed-too"] {
            sim.interfere(&Interference::AddContainer { name: name.to_owned(), image: "quick:1".to_owned() });
            // Stopped, so that a restart of the engine does not change it.
            sim.interfere(&Interference::Stop { container: name.to_owned() });
            sim.interfere(&Interference::AddNetwork { name: format!("{name}-net") });
            sim.interfere(&Interference::AddVolume { name: format!("{name}-data") });
        }
        // Its image claims that it is the main container.
        let claiming = ImageRef::parse("claiming:1").expect("a reference");
        sim.provide(&claiming, Behaviour::default());
        let config = ContainerConfig::new(
            claiming.clone(),
            NetworkAttachment { network: ResourceId::network("agent"), aliases: Vec::new() },
        );
        let labels = label::labels(&run(), &ResourceId::main(), &Config::Container(Box::new(config)));
        sim.label_image(&claiming, labels);
        sim.interfere(&Interference::AddContainer {
            name: "claims-to-be-main".to_owned(),
            image: claiming.to_string(),
        });
        sim.interfere(&Interference::Stop { container: "claims-to-be-main".to_owned() });
        let run = run().id;
        let neighbours = sim.snapshot(&Scope::NotOf(run.clone()));
        let (undid, gave_up) = (Cell::new(false), Cell::new(false));
        Self { sim, run, claims: Claims::default(), undid, gave_up, neighbours: RefCell::new(neighbours) }
    }

    /// Requires the graph's order from now on.
    pub fn keep_order(&self, graph: &Graph) {
        for node in graph.nodes() {
            for dependency in graph.dependencies(&node.id) {
                // A proof is no change of the engine. The checker of plans has its order.
                if dependency.edge.gates == Gate::Prove {
                    continue;
                }
                let probe = graph.node(dependency.on).and_then(|node| node.probe.as_ref());
                self.sim.rule(Rule {
                    dependent: node.id.clone(),
                    step: match dependency.edge.gates {
                        Gate::Create => Step::Create,
                        Gate::Start | Gate::Prove => Step::Start,
                    },
                    on: dependency.on.clone(),
                    until: match dependency.edge.until {
                        Milestone::Created => Reached::Created,
                        Milestone::Started => Reached::Started,
                        // A program without a probe is ready when it is running.
                        Milestone::Ready if matches!(probe, Some(Probe::Running { .. })) => Reached::Started,
                        Milestone::Ready => Reached::Ready,
                    },
                });
            }
        }
    }

    /// Records the current foreign objects.
    pub fn record_foreign_objects(&self) {
        *self.neighbours.borrow_mut() = self.sim.snapshot(&Scope::NotOf(self.run.clone()));
    }

    pub fn neighbours_are_untouched(&self) -> Verdict {
        let (before, now) = (self.neighbours.borrow(), self.sim.snapshot(&Scope::NotOf(self.run.clone())));
        check(now == *before, || format!("the neighbours changed:\n{before}\nto\n{now}"))
    }

    /// One start of moat.
    pub async fn attempt(
        &self,
        engine: &Faulty<Sim, Sim>,
        graph: &Graph,
        options: &Options,
        on_failure: OnFailure,
    ) -> (Attempt, Verdict) {
        self.interrupted(engine, graph, options, on_failure, None).await
    }

    /// One start of moat, which the user interrupts after `after` started operations.
    pub async fn interrupted(
        &self,
        engine: &Faulty<Sim, Sim>,
        graph: &Graph,
        options: &Options,
        on_failure: OnFailure,
        after: Option<usize>,
    ) -> (Attempt, Verdict) {
        let watch = Watch::default();
        let stop = CancellationToken::new();
        let started = Cell::new(0);
        let on_event = |event: Event<'_>| {
            watch.see(&event);
            if matches!(event, Event::Undoing { .. }) {
                self.undid.set(true);
            }
            if matches!(event, Event::Failed { failure, .. } if failure.fault == Some(Fault::Busy)) {
                self.gave_up.set(true);
            }
            if matches!(event, Event::Started { .. }) {
                started.set(started.get() + 1);
            }
            if after.is_some_and(|after| started.get() >= after) {
                stop.cancel();
            }
        };
        let rounds = until_converged(engine, graph, options.clone(), &self.claims, on_failure, &on_event, &stop);
        let attempt = tokio::select! {
            biased;
            outcome = rounds => Attempt::Ended(outcome),
            () = engine.crashed() => Attempt::Crashed,
        };
        (attempt, watch.verdict())
    }

    /// Starts moat until it is done, or the maximum of starts is reached.
    pub async fn apply_until_done(
        &self,
        graph: &Graph,
        options: &Options,
        faults: &Schedule,
    ) -> Result<Applied, String> {
        let engine = Faulty::new(self.sim.clone(), self.sim.clone(), faults.clone());
        let before = self.sim.elapsed();
        for starts in 1..=ATTEMPTS {
            let (attempt, verdict) = self.attempt(&engine, graph, options, OnFailure::Undo).await;
            verdict?;
            if attempt.converged() {
                return Ok(Applied {
                    starts,
                    injected: engine.injected().len(),
                    took: self.sim.elapsed().saturating_sub(before),
                });
            }
            // A user waits for a moment before the next try.
            tokio::time::sleep(Duration::from_secs(2)).await;
            if starts > faults.0.len() + 3 {
                return Err(format!("not converged after {starts} starts: {attempt:?}"));
            }
        }
        Err(format!("not converged after {ATTEMPTS} starts"))
    }
}

pub struct Applied {
    pub starts: usize,
    pub injected: usize,
    pub took: Duration,
}

/// Checks the events of a run: plans must be sound, and operations may only start after the required ones.
#[derive(Default)]
struct Watch {
    done: RefCell<BTreeSet<OpId>>,
    failed: RefCell<BTreeSet<OpId>>,
    wrong: RefCell<Vec<String>>,
}

impl Watch {
    fn see(&self, event: &Event<'_>) {
        match event {
            Event::Planned { plan, .. } => {
                self.done.borrow_mut().clear();
                self.failed.borrow_mut().clear();
                if let Err(why) = soundness::is_sound(plan) {
                    self.wrong.borrow_mut().push(format!("unsound plan: {why}\n{plan}"));
                }
            }
            // The plan of a rollback is not recorded; its numbers start from 1 again.
            Event::Undoing { .. } => {
                self.done.borrow_mut().clear();
                self.failed.borrow_mut().clear();
            }
            Event::Started { operation } => {
                if let Some(early) = operation.after.iter().find(|id| !self.done.borrow().contains(id)) {
                    self.wrong.borrow_mut().push(format!("`{operation}` started before {early} had succeeded"));
                }
            }
            Event::Succeeded { operation, .. } => {
                self.done.borrow_mut().insert(operation.id);
            }
            Event::Failed { operation, .. } => {
                self.failed.borrow_mut().insert(operation.id);
            }
            Event::Skipped { operation, because } if !self.failed.borrow().contains(because) => {
                let wrong = format!("`{operation}` was skipped because of {because}, which has not failed");
                self.wrong.borrow_mut().push(wrong);
            }
            _ => {}
        }
    }

    fn verdict(self) -> Verdict {
        match self.wrong.into_inner().first() {
            Some(wrong) => Err(wrong.clone()),
            None => Ok(()),
        }
    }
}

pub fn check(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(why()) }
}

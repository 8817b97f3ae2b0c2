//! Engine events as wakeups: any event of an agent's resources triggers a round.
//!
//! An event carries no state. After a lost connection every agent starts a round, whether or not the engine kept the
//! missed events.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::sleep;

use super::host::Host;
use super::wakeups::{Wakeup, Wakeups};
use moat_model::engine::{Actor, Engine, EngineEvent, EventAction, Notice};
use moat_model::resource::{ContainerId, Run, RunId};
use moat_model::state::Observed;
use moat_plan::event::{Event, Trigger};

/// The pause between tries to reach an engine. It starts short, for an engine that only restarts.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The owners of resources.
pub(super) struct Owners {
    by_run: BTreeMap<RunId, usize>,
    /// The containers of the last observations.
    containers: RefCell<BTreeMap<ContainerId, usize>>,
    count: usize,
}

impl Owners {
    pub fn new<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Self {
        let by_run: BTreeMap<RunId, usize> = runs.into_iter().map(|run| run.id.clone()).zip(0..).collect();
        Self { count: by_run.len(), by_run, containers: RefCell::default() }
    }

    /// Notes the containers of an agent.
    pub fn know(&self, agent: usize, observed: &Observed) {
        let mut known = self.containers.borrow_mut();
        known.retain(|_, owner| *owner != agent);
        known.extend(observed.containers.iter().map(|facts| (facts.id.clone(), agent)));
    }

    /// The agent of a resource. Events of networks and volumes have no labels, but names with the run's id. A container
    /// of the run may be connected to any network.
    fn of(&self, subject: &Actor) -> Option<usize> {
        match subject {
            Actor::Container { run, .. } => self.by_run.get(run.as_ref()?).copied(),
            Actor::Network { name, container, .. } => {
                let by_container = || self.containers.borrow().get(container.as_ref()?).copied();
                self.named(name).or_else(by_container)
            }
            Actor::Volume { name } => self.named(name),
        }
    }

    fn named(&self, name: &str) -> Option<usize> {
        let name = name.strip_prefix("moat-")?;
        let is_of = |run: &RunId| {
            let rest = name.strip_prefix(run.as_str()).or_else(|| name.strip_suffix(run.as_str()));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-') || rest.ends_with('-'))
        };
        self.by_run.iter().find(|(run, _)| is_of(run)).map(|(_, agent)| *agent)
    }
}

/// Listens forever.
pub(super) async fn listen<E: Engine, D: Host>(engine: &E, host: &D, owners: &Owners, wakeups: &Wakeups) -> Infallible {
    let (since, pause, lost) = (Cell::new(None), Cell::new(FIRST_PAUSE), Cell::new(false));
    let on_notice = |notice| match notice {
        Notice::Listening => {
            pause.set(FIRST_PAUSE);
            if lost.replace(false) {
                host.report(None, Event::EngineBack);
                (0..owners.count).for_each(|agent| wakeups.wake(agent, Trigger::Reconnected));
            }
        }
        Notice::Happened(happening) => {
            since.set(Some(happening.at));
            heard(&happening, owners, wakeups);
        }
    };
    loop {
        let error = match engine.events(since.get(), &on_notice).await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        if !lost.replace(true) {
            host.report(None, Event::EngineLost { error: &error.message });
        }
        sleep(pause.get()).await;
        pause.set((2 * pause.get()).min(LONGEST_PAUSE));
    }
}

fn heard(happening: &EngineEvent, owners: &Owners, wakeups: &Wakeups) {
    let Some(agent) = owners.of(&happening.subject) else { return };
    let trigger = match happening.what {
        // No state changed, but a round may wait for the end of sessions.
        EventAction::CommandEnded => Trigger::SessionOver,
        _ => Trigger::of(happening),
    };
    let container = match &happening.subject {
        Actor::Container { id, .. } => Some(id.clone()),
        Actor::Network { container, .. } => container.clone(),
        Actor::Volume { .. } => None,
    };
    wakeups.add(agent, Wakeup::touching(trigger, container.filter(|_| invalidates_proof(happening.what))));
}

/// Whether an event invalidates the proof of a container.
fn invalidates_proof(what: EventAction) -> bool {
    match what {
        EventAction::Started
        | EventAction::Died
        | EventAction::OutOfMemory
        | EventAction::Paused
        | EventAction::Unpaused
        | EventAction::Unhealthy
        | EventAction::Connected
        | EventAction::Disconnected => true,
        EventAction::Created
        | EventAction::Renamed
        | EventAction::Updated
        | EventAction::Removed
        | EventAction::CommandEnded => false,
    }
}

//! Events of the simulated engine: the difference that each access to its state has made.
//!
//! Found by comparison, so that no change is missed. Changes that cancel out within one access are not
//! reported, like events that a real engine's ring has lost; listeners must not rely on more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::Sim;
use super::calls::unreachable;
use super::container::EPOCH;
use super::daemon::{Container, Daemon};
use moat_model::engine::EngineError;
use moat_model::engine::notice::{Actor, EngineEvent, EventAction, Notice};
use moat_model::resource::label::Ownership;
use moat_model::resource::{ContainerId, NetworkId};
use moat_model::state::ContainerState::{self, Paused, Running};

/// The size of moby's ring.
const RING: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Notices {
    /// The events, numbered from `first`.
    ring: VecDeque<EngineEvent>,
    first: u64,
    /// The end of the current quiet period.
    pub lost_until: Duration,
    /// Whether there was a listener. Before, no comparison is needed.
    heard: bool,
    restarts: u32,
    seen: Seen,
    bell: Arc<Notify>,
}

/// The last reported state.
#[derive(Debug, Default)]
struct Seen {
    containers: BTreeMap<ContainerId, SeenContainer>,
    networks: BTreeMap<NetworkId, String>,
    volumes: Vec<String>,
}

#[derive(Debug, Clone)]
struct SeenContainer {
    subject: Actor,
    name: String,
    state: ContainerState,
    started: Option<Duration>,
    sick: bool,
    sessions: u32,
    networks: Vec<NetworkId>,
}

impl SeenContainer {
    fn of(container: &Container) -> Self {
        let run = Ownership::read(&container.labels).map(|owner| owner.run);
        Self {
            subject: Actor::Container { id: container.id.clone(), name: container.name.clone(), run },
            name: container.name.clone(),
            state: container.state,
            started: container.started,
            sick: container.sick,
            sessions: container.sessions,
            networks: container.endpoints.iter().filter(|it| it.used).map(|it| it.network.clone()).collect(),
        }
    }

    fn lives(&self) -> bool {
        matches!(self.state, Running | Paused)
    }

    /// The events since the state `before`.
    fn since(&self, before: &Self) -> Vec<EventAction> {
        let restarted = self.started != before.started;
        let died = before.lives() && (!self.lives() || restarted);
        let changes = [
            (self.name != before.name, EventAction::Renamed),
            (self.sessions < before.sessions, EventAction::CommandEnded),
            (self.sick && !before.sick, EventAction::Unhealthy),
            (before.state == Paused && self.state == Running && !restarted, EventAction::Unpaused),
            (died, EventAction::Died),
            (self.lives() && (restarted || !before.lives()), EventAction::Started),
            (before.state != Paused && self.state == Paused, EventAction::Paused),
        ];
        changes.into_iter().filter_map(|(is_so, what)| is_so.then_some(what)).collect()
    }
}

impl Daemon {
    /// Records the differences from the last time.
    pub fn notice(&mut self) {
        if !self.notices.heard {
            return;
        }
        let before = self.remember();
        let news = self.notices.seen.since(&before);
        if self.notices.restarts != self.restarts {
            self.notices.restarts = self.restarts;
            self.notices.bell.notify_waiters();
        }
        if news.is_empty() || self.now < self.notices.lost_until {
            return;
        }
        let at = EPOCH * 1_000_000_000 + i64::try_from(self.now.as_nanos()).unwrap_or(0);
        self.notices.ring.extend(news.into_iter().map(|(subject, what)| EngineEvent { at, subject, what }));
        while self.notices.ring.len() > RING {
            self.notices.ring.pop_front();
            self.notices.first += 1;
        }
        self.notices.bell.notify_waiters();
    }
}

impl Daemon {
    /// Records the current state; returns the previous one.
    fn remember(&mut self) -> Seen {
        let containers = self.containers.values().filter(|c| !c.hidden);
        let containers = containers.map(|c| (c.id.clone(), SeenContainer::of(c))).collect();
        let networks = self.networks.values().map(|n| (n.id.clone(), n.name.clone())).collect();
        let volumes = self.volumes.keys().cloned().collect();
        std::mem::replace(&mut self.notices.seen, Seen { containers, networks, volumes })
    }
}

impl Seen {
    fn since(&self, before: &Self) -> Vec<(Actor, EventAction)> {
        let mut news = Vec::new();
        for (id, now) in &self.containers {
            match before.containers.get(id) {
                None => news.push((now.subject.clone(), EventAction::Created)),
                Some(then) => {
                    news.extend(now.since(then).into_iter().map(|what| (now.subject.clone(), what)));
                    let (gone, come) = (missing(&then.networks, &now.networks), missing(&now.networks, &then.networks));
                    let all = gone
                        .map(|it| (it, EventAction::Disconnected))
                        .chain(come.map(|it| (it, EventAction::Connected)));
                    news.extend(all.map(|(network, what)| (self.network(network, before, Some(id)), what)));
                }
            }
        }
        let gone = before.containers.iter().filter(|(id, _)| !self.containers.contains_key(id));
        for (_, then) in gone {
            if then.lives() {
                news.push((then.subject.clone(), EventAction::Died));
            }
            news.push((then.subject.clone(), EventAction::Removed));
        }
        let come = self.networks.keys().filter(|id| !before.networks.contains_key(id));
        news.extend(come.map(|id| (self.network(id, before, None), EventAction::Created)));
        let gone = before.networks.keys().filter(|id| !self.networks.contains_key(id));
        news.extend(gone.map(|id| (self.network(id, before, None), EventAction::Removed)));
        let volume = |name: &String| Actor::Volume { name: name.clone() };
        news.extend(missing(&self.volumes, &before.volumes).map(|name| (volume(name), EventAction::Created)));
        news.extend(missing(&before.volumes, &self.volumes).map(|name| (volume(name), EventAction::Removed)));
        news
    }

    fn network(&self, id: &NetworkId, before: &Self, container: Option<&ContainerId>) -> Actor {
        let name = self.networks.get(id).or_else(|| before.networks.get(id)).cloned().unwrap_or_default();
        Actor::Network { id: id.clone(), name, container: container.cloned() }
    }
}

/// The entries of `all` that are not in `known`.
fn missing<'a, T: PartialEq>(all: &'a [T], known: &'a [T]) -> impl Iterator<Item = &'a T> {
    all.iter().filter(move |it| !known.contains(it))
}

impl Sim {
    /// Reports events until the engine stops; returns the resulting error.
    pub(super) async fn listen(&self, since: Option<i64>, tell: &dyn Fn(Notice)) -> EngineError {
        let (restarts, mut next) = {
            let mut daemon = self.now();
            if !daemon.notices.heard {
                // Objects that existed before the first listener are no new events.
                daemon.notices.heard = true;
                daemon.notices.restarts = daemon.restarts;
                daemon.remember();
            }
            let Notices { ring, first, .. } = &daemon.notices;
            let skip = since.map_or(ring.len(), |since| ring.iter().take_while(|it| it.at < since).count());
            (daemon.restarts, first + skip as u64)
        };
        tell(Notice::Listening);
        loop {
            let (bell, due) = {
                let mut daemon = self.now();
                daemon.notice();
                if daemon.restarts != restarts {
                    return unreachable("the event stream has ended");
                }
                (daemon.notices.bell.clone(), daemon.next_due_at())
            };
            // Registered before the ring is read, so that no event is missed in between.
            let rung = bell.notified();
            for happening in self.told_from(&mut next) {
                tell(Notice::Happened(happening));
            }
            match due {
                Some(at) => tokio::select! {
                    biased;
                    () = rung => {}
                    () = tokio::time::sleep_until(self.origin + at) => {}
                },
                None => rung.await,
            }
        }
    }

    fn told_from(&self, next: &mut u64) -> Vec<EngineEvent> {
        let daemon = self.daemon.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Notices { ring, first, .. } = &daemon.notices;
        let skip = usize::try_from(next.saturating_sub(*first)).unwrap_or(usize::MAX);
        let news = ring.iter().skip(skip).cloned().collect();
        *next = first + ring.len() as u64;
        news
    }
}

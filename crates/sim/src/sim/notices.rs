//! Events of the simulated engine: the difference that each access to its state has made.
//!
//! Found by comparison, so that no change is missed. Changes that cancel out within one access are not
//! reported, like events that a real engine's ring has lost; listeners must not rely on more.

use super::Sim;
use super::daemon::{Container, Daemon, EPOCH, unreachable};
use super::seen::{Notices, Seen, SeenContainer};
use moat_model::engine::EngineError;
use moat_model::engine::notice::{Actor, EngineEvent, Notice};
use moat_model::resource::label::Ownership;

/// The size of moby's ring.
const RING: usize = 256;

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
            self.notices.changed.notify_waiters();
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
        self.notices.changed.notify_waiters();
    }

    /// Records the current state; returns the previous one.
    fn remember(&mut self) -> Seen {
        let containers = self.containers.values().filter(|c| !c.hidden);
        let containers = containers.map(|c| (c.id.clone(), seen(c))).collect();
        let networks = self.networks.values().map(|n| (n.id.clone(), n.name.clone())).collect();
        let volumes = self.volumes.keys().cloned().collect();
        std::mem::replace(&mut self.notices.seen, Seen { containers, networks, volumes })
    }
}

impl Sim {
    /// Reports events until the engine stops; returns the resulting error.
    pub(super) async fn listen(&self, since: Option<i64>, on_notice: &dyn Fn(Notice)) -> EngineError {
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
        on_notice(Notice::Listening);
        loop {
            let (changed, due) = {
                let mut daemon = self.now();
                daemon.notice();
                if daemon.restarts != restarts {
                    return unreachable("the event stream has ended");
                }
                (daemon.notices.changed.clone(), daemon.next_due_at())
            };
            // Registered before the ring is read, so that no event is missed in between.
            let change = changed.notified();
            for happening in self.events_from(&mut next) {
                on_notice(Notice::Happened(happening));
            }
            match due {
                Some(at) => tokio::select! {
                    biased;
                    () = change => {}
                    () = tokio::time::sleep_until(self.origin + at) => {}
                },
                None => change.await,
            }
        }
    }

    fn events_from(&self, next: &mut u64) -> Vec<EngineEvent> {
        let daemon = self.daemon.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Notices { ring, first, .. } = &daemon.notices;
        let skip = usize::try_from(next.saturating_sub(*first)).unwrap_or(usize::MAX);
        let news = ring.iter().skip(skip).cloned().collect();
        *next = first + ring.len() as u64;
        news
    }
}

fn seen(container: &Container) -> SeenContainer {
    let run = Ownership::read(&container.labels).map(|owner| owner.run);
    SeenContainer {
        subject: Actor::Container { id: container.id.clone(), name: container.name.clone(), run },
        name: container.name.clone(),
        state: container.state,
        started: container.started,
        sick: container.sick,
        sessions: container.sessions,
        networks: container.endpoints.iter().filter(|it| it.used).map(|it| it.network.clone()).collect(),
    }
}

//! What was reported of the engine's objects, and the events that lead from one state to another.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use moat_model::engine::notice::{Actor, EngineEvent, EventAction};
use moat_model::resource::{ContainerId, NetworkId};
use moat_model::state::ContainerState::{self, Paused, Running};

#[derive(Debug, Default)]
pub(super) struct Notices {
    /// The events, numbered from `first`.
    pub ring: VecDeque<EngineEvent>,
    pub first: u64,
    /// The end of the current quiet period.
    pub lost_until: Duration,
    /// Whether there was a listener. Before, no comparison is needed.
    pub heard: bool,
    pub restarts: u32,
    pub seen: Seen,
    pub changed: Arc<Notify>,
}

/// The last reported state.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub containers: BTreeMap<ContainerId, SeenContainer>,
    pub networks: BTreeMap<NetworkId, String>,
    pub volumes: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct SeenContainer {
    pub subject: Actor,
    pub name: String,
    pub state: ContainerState,
    pub started: Option<Duration>,
    pub sick: bool,
    pub sessions: u32,
    pub networks: Vec<NetworkId>,
}

impl SeenContainer {
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

impl Seen {
    pub fn since(&self, before: &Self) -> Vec<(Actor, EventAction)> {
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

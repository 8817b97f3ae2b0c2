//! A strict engine in memory, on tokio's clock: on a paused one, hours pass at once.
//!
//! It refuses whatever Docker might refuse, and is at least as strict as Docker. The properties that
//! it shares with Docker are listed in `docs/internals/engine.md`, and one suite tests both.
//! It runs no programs ([`Behaviour`] models them), and has no `AutoRemove`.
//!
//! Calls continue in the engine after their caller is dropped, as in Docker: a container that is being
//! created appears, one that is being removed vanishes.

mod answers;
pub mod behaviour;
mod calls;
mod changes;
mod container;
mod daemon;
mod interfere;
pub mod journal;
pub mod latency;
mod lifecycle;
mod network;
mod notices;
mod policy;
mod seen;
pub mod snapshot;
mod storage;
mod subnet;

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use behaviour::{Answer, Behaviour, Exit};
pub use journal::{Entry, Outcome, Reached, Rule, Step, Violation};
pub use latency::Latencies;
pub use snapshot::{Counts, Scope};

use crate::interference::{Interference, Interferer};
use daemon::Daemon;
use moat_model::resource::{ContainerId, ImageRef};

/// A simulated engine. Clones share its state.
#[derive(Debug, Clone)]
pub struct Sim {
    daemon: Arc<Mutex<Daemon>>,
    origin: Instant,
}

/// Differences between engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    pub duplicate_networks: DuplicateNetworks,
    pub api: Api,
    pub latencies: Latencies,
}

/// Whose API the engine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Api {
    #[default]
    Docker,
    /// Lists have no health, and registries cannot be asked without a pull.
    Podman,
}

/// Whether two networks may have the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DuplicateNetworks {
    /// Since Docker 25.
    #[default]
    Refused,
    Allowed,
}

impl Sim {
    /// A fresh engine without images. Must be called within a tokio runtime.
    pub fn new(settings: &Settings) -> Self {
        Self { daemon: Arc::new(Mutex::new(Daemon::new(settings))), origin: Instant::now() }
    }

    /// Publishes an image in the registry; it is not on the engine before a pull.
    pub fn publish(&self, reference: &ImageRef, program: Behaviour) {
        let mut daemon = self.now();
        let id = daemon.next_image();
        daemon.programs.insert(id.clone(), program);
        daemon.registry.insert(reference.clone(), id);
    }

    /// Publishes another image under the name in the registry, without changing the engine.
    pub fn push(&self, reference: &ImageRef) {
        self.now().push(reference);
    }

    /// Changes the digest of the registry's manifest list for the same image, as an added attestation does.
    pub fn attest(&self, reference: &ImageRef) {
        *self.now().editions.entry(reference.clone()).or_default() += 1;
    }

    /// Removes the image from the registry.
    pub fn withdraw(&self, reference: &ImageRef) {
        self.now().registry.remove(reference);
    }

    /// Publishes an image in the registry and pulls it.
    pub fn provide(&self, reference: &ImageRef, program: Behaviour) {
        self.publish(reference, program);
        // It was published a moment ago.
        let _ = self.now().pull(reference, None);
    }

    /// Sets labels of an image on the engine, which containers inherit.
    pub fn label_image(&self, reference: &ImageRef, labels: BTreeMap<String, String>) {
        let mut daemon = self.now();
        if let Some(id) = daemon.images.get(reference).cloned() {
            daemon.image_labels.insert(id, labels);
        }
    }

    /// Removes an image from the engine, though containers were created from it.
    pub fn remove_image_for_good(&self, reference: &ImageRef) {
        let mut daemon = self.now();
        if let Some(id) = daemon.images.remove(reference) {
            daemon.images_gone.insert(id);
        }
    }

    /// Applies interference at once; returns whether the state has changed.
    pub fn interfere(&self, interference: &Interference) -> bool {
        self.now().interfere(interference)
    }

    /// Stops the engine with all containers, and starts it again after `down`.
    pub fn restart_engine(&self, down: Duration) {
        self.now().restart(down);
    }

    /// Drops all events for the duration of `quiet`.
    pub fn lose_events(&self, quiet: Duration) {
        let mut daemon = self.now();
        let until = daemon.now + quiet;
        daemon.notices.lost_until = until;
    }

    /// Whether the engine passes names on internal networks to the gateway: it does, unless told otherwise.
    pub fn pass_names(&self, passes: bool) {
        self.now().drops_names = !passes;
    }

    /// Adds an order that has to be kept from now on.
    pub fn rule(&self, rule: Rule) {
        self.now().journal.rules.push(rule);
    }

    /// All calls, in the order of their starts.
    pub fn calls(&self) -> Vec<Entry> {
        self.now().journal.entries.clone()
    }

    /// The calls as text.
    pub fn trace(&self) -> String {
        journal::render(&self.now().journal.entries)
    }

    /// The number of changing calls.
    pub fn changes(&self) -> usize {
        self.now().journal.entries.iter().filter(|entry| entry.call.changes()).count()
    }

    /// The refusals, in the order of their calls.
    pub fn refusals(&self) -> Vec<Entry> {
        self.now().journal.entries.iter().filter(|entry| entry.fault().is_some()).cloned().collect()
    }

    /// The violations; each once.
    pub fn violations(&self) -> Vec<Violation> {
        self.now().journal.violations.clone()
    }

    /// The volumes that held data when a call removed them.
    pub fn data_lost(&self) -> Vec<String> {
        self.now().journal.data_lost.clone()
    }

    /// The maximum number of concurrent calls.
    pub fn peak_in_flight(&self) -> usize {
        self.now().journal.peak
    }

    /// Clears calls, violations and losses; the state and the rules stay.
    pub fn forget(&self) {
        let mut daemon = self.now();
        let rules = std::mem::take(&mut daemon.journal.rules);
        daemon.journal = journal::Journal { rules, ..journal::Journal::default() };
    }

    /// The state as canonical text.
    pub fn snapshot(&self, scope: &Scope) -> String {
        self.now().snapshot(scope)
    }

    pub fn counts(&self, scope: &Scope) -> Counts {
        self.now().counts(scope)
    }

    /// Whether a container is ready now, without a probe.
    pub fn is_ready(&self, container: &ContainerId) -> bool {
        let daemon = self.now();
        daemon.containers.get(container).is_some_and(|c| c.is_ready(daemon.now))
    }

    /// The virtual time since the engine was created.
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The daemon at the current time. Never held across an await.
    fn now(&self) -> Watched<'_> {
        let mut daemon = self.daemon.lock().unwrap_or_else(PoisonError::into_inner);
        daemon.advance(self.origin.elapsed());
        Watched(daemon)
    }
}

impl Interferer for Sim {
    fn interfere(&self, interference: &Interference) {
        Self::interfere(self, interference);
    }

    fn restart_engine(&self, down: Duration) {
        Self::restart_engine(self, down);
    }

    fn lose_events(&self, quiet: Duration) {
        Self::lose_events(self, quiet);
    }
}

/// A guard of the daemon. Dropping it delivers the changes to listeners.
struct Watched<'a>(MutexGuard<'a, Daemon>);

impl Deref for Watched<'_> {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl DerefMut for Watched<'_> {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.0
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.notice();
    }
}

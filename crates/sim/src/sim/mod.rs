//! A strict engine in memory, on tokio's clock: on a paused one, hours pass at once.
//!
//! It refuses whatever Docker might refuse, and where Docker leaves room it takes the stricter side. What
//! it must have in common with Docker is written down in `docs/internals/engine.md`, and one suite holds both to it.
//! It runs no program ([`Behaviour`] says what one would do), and has no `AutoRemove`.
//!
//! Calls go on in the engine when their caller is gone, as they do in Docker: a container that is being
//! created appears, one that is being removed vanishes.

mod answers;
pub mod behaviour;
mod calls;
mod container;
mod daemon;
pub mod journal;
pub mod latency;
mod lifecycle;
mod meddle;
mod network;
mod notices;
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

/// A simulated engine. Clones are doors to the same one.
#[derive(Debug, Clone)]
pub struct Sim {
    daemon: Arc<Mutex<Daemon>>,
    origin: Instant,
}

/// What differs between engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    pub duplicate_networks: DuplicateNetworks,
    pub latencies: Latencies,
}

/// Whether two networks may bear one name.
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

    /// Puts an image into the registry; nothing of it is on the engine before a pull.
    pub fn publish(&self, reference: &ImageRef, program: Behaviour) {
        let mut daemon = self.now();
        let id = daemon.next_image();
        daemon.programs.insert(id.clone(), program);
        daemon.registry.insert(reference.clone(), id);
    }

    /// The registry has another image under the name from now on; the engine has it not.
    pub fn push(&self, reference: &ImageRef) {
        self.now().push(reference);
    }

    /// The registry's list has another digest from now on, and leads to the same image: an attestation was added.
    pub fn attest(&self, reference: &ImageRef) {
        *self.now().editions.entry(reference.clone()).or_default() += 1;
    }

    /// The registry has the image no more.
    pub fn withdraw(&self, reference: &ImageRef) {
        self.now().registry.remove(reference);
    }

    /// Puts an image into the registry and onto the engine.
    pub fn provide(&self, reference: &ImageRef, program: Behaviour) {
        self.publish(reference, program);
        // It was published a moment ago.
        let _ = self.now().pull(reference);
    }

    /// Gives the image that a reference means on the engine labels, which containers inherit.
    pub fn label_image(&self, reference: &ImageRef, labels: BTreeMap<String, String>) {
        let mut daemon = self.now();
        if let Some(id) = daemon.images.get(reference).cloned() {
            daemon.image_labels.insert(id, labels);
        }
    }

    /// Removes the image that a reference means, though containers were made from it.
    pub fn remove_image_for_good(&self, reference: &ImageRef) {
        let mut daemon = self.now();
        if let Some(id) = daemon.images.remove(reference) {
            daemon.images_gone.insert(id);
        }
    }

    /// Does what somebody else would do, at once; says whether anything is different.
    pub fn meddle(&self, meddling: &Interference) -> bool {
        self.now().meddle(meddling)
    }

    /// The engine goes down, with all containers, and answers again after `down`.
    pub fn restart_engine(&self, down: Duration) {
        self.now().restart(down);
    }

    /// What happens during the next `quiet` is told to nobody.
    pub fn lose_events(&self, quiet: Duration) {
        let mut daemon = self.now();
        let until = daemon.now + quiet;
        daemon.notices.lost_until = until;
    }

    /// Wants an order kept from now on.
    pub fn rule(&self, rule: Rule) {
        self.now().journal.rules.push(rule);
    }

    /// All calls, in the order in which they began.
    pub fn calls(&self) -> Vec<Entry> {
        self.now().journal.entries.clone()
    }

    /// The calls as text.
    pub fn trace(&self) -> String {
        journal::render(&self.now().journal.entries)
    }

    /// How many calls that change something were made.
    pub fn changes(&self) -> usize {
        self.now().journal.entries.iter().filter(|entry| entry.call.changes()).count()
    }

    /// The refusals, in the order in which their calls began.
    pub fn refusals(&self) -> Vec<Entry> {
        self.now().journal.entries.iter().filter(|entry| entry.fault().is_some()).cloned().collect()
    }

    /// What no caller may do; each once.
    pub fn violations(&self) -> Vec<Violation> {
        self.now().journal.violations.clone()
    }

    /// The volumes that held data when a call removed them.
    pub fn data_lost(&self) -> Vec<String> {
        self.now().journal.data_lost.clone()
    }

    /// The most calls that were under way at one time.
    pub fn peak_in_flight(&self) -> usize {
        self.now().journal.peak
    }

    /// Forgets calls, violations and losses; the world and the rules stay.
    pub fn forget(&self) {
        let mut daemon = self.now();
        let rules = std::mem::take(&mut daemon.journal.rules);
        daemon.journal = journal::Journal { rules, ..journal::Journal::default() };
    }

    /// The world as canonical text.
    pub fn snapshot(&self, scope: &Scope) -> String {
        self.now().snapshot(scope)
    }

    pub fn counts(&self, scope: &Scope) -> Counts {
        self.now().counts(scope)
    }

    /// Whether a container does its job now, which nobody else can know without a probe.
    pub fn is_ready(&self, container: &ContainerId) -> bool {
        let daemon = self.now();
        daemon.containers.get(container).is_some_and(|c| c.is_ready(daemon.now))
    }

    /// Virtual time since the engine was made.
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The daemon as it is at this moment. Never held across an await.
    fn now(&self) -> Watched<'_> {
        let mut daemon = self.daemon.lock().unwrap_or_else(PoisonError::into_inner);
        daemon.advance(self.origin.elapsed());
        Watched(daemon)
    }
}

impl Interferer for Sim {
    fn meddle(&self, meddling: &Interference) {
        Self::meddle(self, meddling);
    }

    fn restart_engine(&self, down: Duration) {
        Self::restart_engine(self, down);
    }

    fn lose_events(&self, quiet: Duration) {
        Self::lose_events(self, quiet);
    }
}

/// The daemon while somebody is at it. What is different afterwards is told to whoever listens.
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

//! Wakeups of the loop: agents by index, each with its first reason.
//!
//! Callable from any thread. Each agent has at most one entry.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use moat_model::resource::ContainerId;
use moat_plan::event::Trigger;

/// Clones share the same entries.
#[derive(Debug, Clone, Default)]
pub struct Wakeups(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    pending: Mutex<BTreeMap<usize, Wakeup>>,
    notify: Notify,
}

/// Why an agent needs a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wakeup {
    pub trigger: Trigger,
    /// Its files have to be read again.
    pub reads: bool,
    /// The first reason to observe the engine, whatever the files contain.
    pub looks: Option<Trigger>,
    /// Containers with events that invalidate their proofs.
    pub touched: BTreeSet<ContainerId>,
}

impl Wakeup {
    pub fn of(trigger: Trigger) -> Self {
        let looks = (!matches!(trigger, Trigger::File(_))).then(|| trigger.clone());
        Self { reads: trigger.is_about_files(), looks, touched: BTreeSet::new(), trigger }
    }

    pub fn touching(trigger: Trigger, container: Option<ContainerId>) -> Self {
        Self { touched: container.into_iter().collect(), ..Self::of(trigger) }
    }

    /// Merges another reason. The first one is reported, unless it is only a part of the other.
    pub fn join(&mut self, other: &Self) {
        if self.trigger.is_part_of(&other.trigger) {
            self.trigger = other.trigger.clone();
        }
        let fuller = |mine: Trigger| match &other.looks {
            Some(theirs) if mine.is_part_of(theirs) => theirs.clone(),
            _ => mine,
        };
        self.looks = self.looks.take().map(fuller).or_else(|| other.looks.clone());
        self.reads |= other.reads;
        self.touched.extend(other.touched.iter().cloned());
    }
}

impl Wakeups {
    pub fn wake(&self, agent: usize, trigger: Trigger) {
        self.add(agent, Wakeup::of(trigger));
    }

    pub(super) fn add(&self, agent: usize, wakeup: Wakeup) {
        let mut all = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match all.entry(agent) {
            Entry::Occupied(mut known) => known.get_mut().join(&wakeup),
            Entry::Vacant(free) => {
                free.insert(wakeup);
            }
        }
        self.0.notify.notify_one();
    }

    /// Takes the wakeups since the last call.
    pub(super) fn take(&self) -> BTreeMap<usize, Wakeup> {
        std::mem::take(&mut *self.0.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Resolves when there may be wakeups to take.
    pub(super) async fn changed(&self) {
        self.0.notify.notified().await;
    }
}

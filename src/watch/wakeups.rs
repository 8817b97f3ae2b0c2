//! What wakes the loop: agents by number, each with the first reason that there was.
//!
//! Rung from anywhere, other threads included. However often it is rung, there is at most one entry for each agent.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use moat_model::resource::ContainerId;
use moat_plan::event::Trigger;

/// Clones ring the same bell.
#[derive(Debug, Clone, Default)]
pub struct Wakeups(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rung: Mutex<BTreeMap<usize, Wakeup>>,
    notify: Notify,
}

/// Why an agent is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wakeup {
    pub trigger: Trigger,
    /// Its files are to be read again.
    pub reads: bool,
    /// The first reason for which the engine is to be looked at, whatever the files say.
    pub looks: Option<Trigger>,
    /// Containers to which something has happened, so that what was proven of them is not any more.
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

    /// Takes in another reason. The first one stays the one that is told, unless it is only a part of the other.
    pub fn join(&mut self, other: &Self) {
        if self.trigger.is_part_of(&other.trigger) {
            self.trigger = other.trigger.clone();
        }
        let told = |mine: Trigger| match &other.looks {
            Some(theirs) if mine.is_part_of(theirs) => theirs.clone(),
            _ => mine,
        };
        self.looks = self.looks.take().map(told).or_else(|| other.looks.clone());
        self.reads |= other.reads;
        self.touched.extend(other.touched.iter().cloned());
    }
}

impl Wakeups {
    pub fn ring(&self, agent: usize, trigger: Trigger) {
        self.add(agent, Wakeup::of(trigger));
    }

    pub(super) fn add(&self, agent: usize, ring: Wakeup) {
        let mut all = self.0.rung.lock().unwrap_or_else(PoisonError::into_inner);
        match all.entry(agent) {
            Entry::Occupied(mut known) => known.get_mut().join(&ring),
            Entry::Vacant(free) => {
                free.insert(ring);
            }
        }
        self.0.notify.notify_one();
    }

    /// What has been rung since it was last asked.
    pub(super) fn take(&self) -> BTreeMap<usize, Wakeup> {
        std::mem::take(&mut *self.0.rung.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Resolves when there may be something to take.
    pub(super) async fn rung(&self) {
        self.0.notify.notified().await;
    }
}

//! The intents of a plan, put on record together before the first of its calls: each is begun later, or skipped.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use serde_json::{Map, Value};

use super::entry::{Body, Phase};
use super::log::{About, Audit, Durable};
use super::{AuditError, Verdict};

/// A change that a plan will make.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub event: &'static str,
    pub data: Map<String, Value>,
}

/// What has to be known of an intent to close it.
pub(super) struct Waiting {
    event: &'static str,
    about: About,
}

impl Audit {
    /// Puts on record, at once, all that a plan is about to try. It is on disk when this returns. Gives the number of the
    /// first one; the others follow it. Each is either begun or skipped.
    ///
    /// # Errors
    /// If they are not on disk: then none of them must be tried.
    pub fn announce(&self, about: &About, changes: &[Change]) -> Result<u64, AuditError> {
        let body = |change: &Change| self.body(change.event, Phase::Intent, about, change.data.clone());
        let bodies: Vec<Body> = changes.iter().map(body).collect();
        let last = self.append(&bodies, Durable::Now)?;
        let first = last + 1 - changes.len() as u64;
        let waiting = changes.iter().map(|change| Waiting { event: change.event, about: about.clone() });
        self.waiting().extend((first..).zip(waiting));
        Ok(first)
    }

    /// One of what was announced is being tried.
    pub fn begun(&self, intent: u64) {
        self.waiting().remove(&intent);
    }

    /// Puts on record that what is left of what was announced for a run will not be tried.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn skip(&self, about: &About) -> Result<(), AuditError> {
        let bodies = self.skipped(|waiting| waiting.about == *about);
        self.append(&bodies, Durable::Later).map(drop)
    }

    /// The outcomes of what was announced and is not to be tried.
    pub(super) fn skipped(&self, which: impl Fn(&Waiting) -> bool) -> Vec<Body> {
        let mut waiting = self.waiting();
        let these: Vec<u64> = waiting.iter().filter(|(_, it)| which(it)).map(|(seq, _)| *seq).collect();
        let closed = these.into_iter().filter_map(|seq| Some((seq, waiting.remove(&seq)?)));
        let outcome = |(seq, Waiting { event, about })| Body {
            of: Some(seq),
            result: Some(Verdict::Skipped),
            ..self.body(event, Phase::Outcome, &about, Map::new())
        };
        closed.map(outcome).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

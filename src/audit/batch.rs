//! The intents of a plan, logged together before its first call. Each is later started or skipped.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use serde_json::{Map, Value};

use super::entry::{Body, Phase};
use super::log::{About, Audit, Durable, Waiting};
use super::{AuditError, Verdict};

/// A change as the log describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    pub event: &'static str,
    pub data: Map<String, Value>,
}

impl Audit {
    /// Logs the intents of a plan with one sync; they are on disk when this returns. Returns the number of the first
    /// intent; the others follow it. Each must be started or skipped later.
    ///
    /// # Errors
    /// If they are not on disk. In that case no change may be made.
    pub fn announce(&self, about: &About, changes: &[Described]) -> Result<u64, AuditError> {
        let body = |change: &Described| self.body(change.event, Phase::Intent, about, change.data.clone());
        let bodies: Vec<Body> = changes.iter().map(body).collect();
        let last = self.append(&bodies, Durable::Now)?;
        let first = last + 1 - changes.len() as u64;
        let waiting = changes.iter().map(|change| Waiting { event: change.event, about: about.clone() });
        self.waiting().extend((first..).zip(waiting));
        Ok(first)
    }

    /// Marks an announced intent as started.
    pub fn begun(&self, intent: u64) {
        self.waiting().remove(&intent);
    }

    /// Logs the remaining announced intents of a run as skipped.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn skip(&self, about: &About) -> Result<(), AuditError> {
        let bodies = self.skipped(|waiting| waiting.about == *about);
        self.append(&bodies, Durable::Later).map(drop)
    }

    /// Returns the outcomes of announced intents that were not started.
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

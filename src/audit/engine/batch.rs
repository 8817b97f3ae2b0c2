//! Logs the intents of a whole plan with one sync, before its first call. The plan is noted when it is reported, and
//! written with the first call.
//!
//! An optimisation only: a call that was not announced here writes its own intent first, and no call is made without one.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::describe::{Data, Key, key, object, with};
use super::{AuditError, Audited, joined};
use crate::audit::batch::Described;
use moat_model::engine::Engine;
use moat_plan::event::Event;
use moat_plan::{Action, Handle, OpId, Operation, Plan};
use serde_json::json;
use tokio::task::spawn_blocking;

/// Logged intents of a plan whose calls were not made yet.
#[derive(Default)]
pub(super) struct LoggedIntents(BTreeMap<Key, Vec<(u64, Data)>>);

/// An intent that is on disk.
#[derive(Default)]
pub(super) struct Intent {
    pub seq: u64,
    /// The logged data. More may be known when the call is made.
    pub said: Data,
}

impl<E: Engine> Audited<'_, E> {
    /// Notes the changes of a plan that is about to be executed.
    pub fn note(&self, event: &Event<'_>) {
        let (Event::Planned { run, plan, .. } | Event::Undoing { run, plan }) = event else { return };
        if self.about.run.as_deref() == Some(run.id.as_str()) {
            let changes = plan.operations.iter().filter_map(|operation| self.planned(plan, operation));
            self.announced.replace(changes.collect());
        }
    }

    /// Logs the intent of a call, together with the rest of its plan if that is not logged yet.
    pub(super) async fn intent(&self, described: Described) -> Result<Intent, AuditError> {
        let (Some(audit), about) = (self.audit.clone(), self.about.clone()) else { return Ok(Intent::default()) };
        let this = key(&described);
        let mut ahead = self.ahead.lock().await;
        let announced = self.announced.take();
        // A single intent saves nothing.
        if announced.len() > 1 && announced.iter().any(|change| this == key(change)) {
            let (audit, about) = (audit.clone(), about.clone());
            // A sync may take long and must not block other work.
            let written = spawn_blocking(move || audit.announce(&about, &announced).map(|first| (first, announced)));
            let (first, announced) = joined(written.await)?;
            ahead.add(first, announced);
        }
        if let Some(intent) = this.and_then(|key| ahead.take(&key)) {
            audit.begun(intent.seq);
            return Ok(intent);
        }
        drop(ahead);
        let Described { event, data } = described;
        let said = data.clone();
        let seq = joined(spawn_blocking(move || audit.intent(event, &about, data)).await)?;
        Ok(Intent { seq, said })
    }

    /// Logs the rest of the plan as skipped: a new observation means that the plan is over.
    pub(super) async fn skip_the_rest(&self) -> Result<(), AuditError> {
        let (Some(audit), about) = (self.audit.clone(), self.about.clone()) else { return Ok(()) };
        let rest = std::mem::take(&mut *self.ahead.lock().await);
        if rest.0.is_empty() {
            return Ok(());
        }
        joined(spawn_blocking(move || audit.skip(&about)).await)
    }

    /// Describes the change of an operation; `None` if it changes nothing.
    fn planned(&self, plan: &Plan, operation: &Operation) -> Option<Described> {
        let Ok(change) = operation.change(Ok::<_, Infallible>, Ok);
        let created = |made: &OpId| plan.operations.get(made.0).map(planned_container).unwrap_or_default();
        let described = self.describe(
            &change?,
            |container| match container {
                Handle::Known(id) => self.of_container(id),
                Handle::From(made) => created(made),
            },
            |network| match network {
                Handle::Known(id) => self.of_network(id),
                Handle::From(_) => Data::new(),
            },
        );
        Some(described)
    }
}

impl LoggedIntents {
    fn add(&mut self, first: u64, changes: Vec<Described>) {
        for (seq, change) in (first..).zip(changes) {
            if let Some(key) = key(&change) {
                self.0.entry(key).or_default().push((seq, change.data));
            }
        }
    }

    /// Returns the next intent with this key, in the order of the plan.
    fn take(&mut self, key: &Key) -> Option<Intent> {
        let these = self.0.get_mut(key)?;
        let (seq, said) = these.remove(0);
        if these.is_empty() {
            self.0.remove(key);
        }
        Some(Intent { seq, said })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Returns the data of a container that the plan creates: it has no id yet.
fn planned_container(create: &Operation) -> Data {
    let data = object(json!({ "name": create.name, "resource": create.resource.to_string() }));
    let privileged = matches!(&create.action, Action::CreateContainer { config, .. } if config.privileged);
    if privileged { with(data, "privileged", true) } else { data }
}

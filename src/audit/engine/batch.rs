//! Logs the intents of a whole plan with one sync, before its first call. The plan is noted when it is reported, and
//! written with the first call.
//!
//! An optimisation only: a call that was not announced here writes its own intent first, and no call is made without one.

use std::collections::BTreeMap;

use super::words::{self, Data, Key, object};
use super::{AuditError, Audited, joined};
use crate::audit::batch::Change;
use moat_model::engine::Engine;
use moat_model::resource::{ContainerId, ResourceId};
use moat_plan::event::Event;
use moat_plan::{Action, Handle, Operation, Plan};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

/// Logged intents of a plan whose calls were not made yet.
#[derive(Default)]
pub(super) struct Ahead(BTreeMap<Key, Vec<(u64, Data)>>);

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
            *self.announced() =
                plan.operations.iter().filter_map(|operation| self.change_of(plan, operation)).collect();
        }
    }

    /// Logs the intent of a call, together with the rest of its plan if that is not logged yet.
    pub(super) async fn intent(&self, event: &'static str, data: Data) -> Result<Intent, AuditError> {
        let (Some(audit), about) = (self.audit.clone(), self.about.clone()) else { return Ok(Intent::default()) };
        let key = words::key(event, &data);
        let mut ahead = self.ahead.lock().await;
        let announced = std::mem::take(&mut *self.announced());
        // A single intent saves nothing.
        if announced.len() > 1 && announced.iter().any(|change| key == words::key(change.event, &change.data)) {
            let (audit, about) = (audit.clone(), about.clone());
            // A sync may take long and must not block other work.
            let written = spawn_blocking(move || audit.announce(&about, &announced).map(|first| (first, announced)));
            let (first, announced) = joined(written.await)?;
            ahead.add(first, announced);
        }
        if let Some(intent) = key.and_then(|key| ahead.take(&key)) {
            audit.begun(intent.seq);
            return Ok(intent);
        }
        drop(ahead);
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

    /// Returns the logged change of an operation; `None` if it changes nothing.
    fn change_of(&self, plan: &Plan, operation: &Operation) -> Option<Change> {
        let name = operation.name.as_str();
        let of_container = |container: &ContainerId| self.of_container(container);
        let of_handle = |handle: &Handle<ContainerId>| match handle {
            Handle::Known(container) => self.of_container(container),
            Handle::From(made) => plan.operations.get(made.0).map(planned_container).unwrap_or_default(),
        };
        let is_sidecar = self.sidecar.as_ref() == Some(&operation.resource);
        let (event, data) = match &operation.action {
            Action::AwaitReady { .. } => return None,
            Action::PullImage { reference, .. } => (words::IMAGE_PULLED, words::image(reference)),
            Action::BuildImage { build } => (words::IMAGE_BUILT, words::build(build)),
            Action::CreateNetwork { internal, subnet, .. } => {
                (words::NETWORK_CREATED, words::network(name, *subnet, *internal))
            }
            Action::CreateVolume { labels } => (words::VOLUME_CREATED, words::volume(name, labels)),
            Action::CreateContainer { labels, config, .. } => {
                (words::CONTAINER_CREATED, words::container(name, labels, config, self.sidecar.is_some()))
            }
            Action::UploadFiles { container, files } => {
                (words::FILES_UPLOADED, words::with_files(of_handle(container), files))
            }
            Action::StartContainer { container } => {
                let mut data = of_handle(container);
                if operation.resource == ResourceId::main() {
                    data.extend(self.building(None));
                }
                (words::started(is_sidecar), data)
            }
            Action::StopContainer { container, .. } => (words::stopped(is_sidecar), of_container(container)),
            Action::RestartContainer { container } => (words::CONTAINER_RESTARTED, of_container(container)),
            Action::UnpauseContainer { container } => (words::CONTAINER_UNPAUSED, of_container(container)),
            Action::UpdateContainer { container, .. } => (words::CONTAINER_UPDATED, of_container(container)),
            Action::RenameContainer { container, to } => {
                (words::CONTAINER_RENAMED, words::renamed(of_handle(container), to))
            }
            Action::ConnectNetwork { network, container, .. } => {
                let mut data = of_container(container);
                if let Handle::Known(network) = network {
                    data.extend(self.of_network(network));
                }
                (words::NETWORK_CONNECTED, data)
            }
            Action::RemoveContainer { container } => (words::CONTAINER_REMOVED, of_container(container)),
            Action::RemoveNetwork { network } => (words::NETWORK_REMOVED, self.of_network(network)),
            Action::RemoveVolume => (words::VOLUME_REMOVED, object(json!({ "volume": name }))),
        };
        Some(Change { event, data })
    }
}

impl Ahead {
    fn add(&mut self, first: u64, changes: Vec<Change>) {
        for (seq, change) in (first..).zip(changes) {
            if let Some(key) = words::key(change.event, &change.data) {
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
    let mut data = object(json!({ "name": create.name, "resource": create.resource.to_string() }));
    if matches!(&create.action, Action::CreateContainer { config, .. } if config.privileged) {
        data.insert("privileged".to_owned(), Value::from(true));
    }
    data
}

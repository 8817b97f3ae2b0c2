//! A plan is put on record whole, with one sync to the disk, before the first of its calls: what is told of a plan is
//! noted, and written when the first call comes.
//!
//! Only a saving. A call that was not told of has an intent of its own, and nothing is ever called that has none.

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

/// What is on record of a plan and was not called yet.
#[derive(Default)]
pub(super) struct Ahead(BTreeMap<Key, Vec<(u64, Data)>>);

/// An intent that is on disk.
#[derive(Default)]
pub(super) struct Intent {
    pub seq: u64,
    /// What it says. More may be known by the time that it is tried.
    pub said: Data,
}

impl<E: Engine> Audited<'_, E> {
    /// Hears what a run says: of a plan that is about to be carried out.
    pub fn note(&self, event: &Event<'_>) {
        let (Event::Planned { run, plan, .. } | Event::Undoing { run, plan }) = event else { return };
        if self.about.run.as_deref() == Some(run.id.as_str()) {
            *self.told() = plan.operations.iter().filter_map(|operation| self.change_of(plan, operation)).collect();
        }
    }

    /// Puts on record that a call is about to be made: with all of the plan that it is of, if that is not on record yet.
    pub(super) async fn intent(&self, event: &'static str, data: Data) -> Result<Intent, AuditError> {
        let (Some(audit), about) = (self.audit.clone(), self.about.clone()) else { return Ok(Intent::default()) };
        let key = words::key(event, &data);
        let mut ahead = self.ahead.lock().await;
        let told = std::mem::take(&mut *self.told());
        // One alone has nothing to share.
        if told.len() > 1 && told.iter().any(|change| key == words::key(change.event, &change.data)) {
            let (audit, about) = (audit.clone(), about.clone());
            // A disk may take its time, and other work need not wait for it.
            let written = spawn_blocking(move || audit.announce(&about, &told).map(|first| (first, told)));
            let (first, told) = joined(written.await)?;
            ahead.add(first, told);
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

    /// Whoever looks again has done with the plan before: what was not begun of it will not be.
    pub(super) async fn skip_the_rest(&self) -> Result<(), AuditError> {
        let (Some(audit), about) = (self.audit.clone(), self.about.clone()) else { return Ok(()) };
        let rest = std::mem::take(&mut *self.ahead.lock().await);
        if rest.0.is_empty() {
            return Ok(());
        }
        joined(spawn_blocking(move || audit.skip(&about)).await)
    }

    /// What an operation will be on record; `None`: it changes nothing.
    fn change_of(&self, plan: &Plan, operation: &Operation) -> Option<Change> {
        let name = operation.name.as_str();
        let of_container = |container: &ContainerId| self.of_container(container);
        let of_handle = |handle: &Handle<ContainerId>| match handle {
            Handle::Known(container) => self.of_container(container),
            Handle::From(made) => plan.operations.get(made.0).map(to_be_made).unwrap_or_default(),
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

    /// The next one that is to be called so, in the plan's order.
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

/// A container that is still to be created: it has no id yet.
fn to_be_made(create: &Operation) -> Data {
    let mut data = object(json!({ "name": create.name, "resource": create.resource.to_string() }));
    if matches!(&create.action, Action::CreateContainer { config, .. } if config.privileged) {
        data.insert("privileged".to_owned(), Value::from(true));
    }
    data
}

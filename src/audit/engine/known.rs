//! Names and owners of resources that calls identify by id only, learned from the lists of the engine.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::Audited;
use super::words::{Data, object};
use moat_model::engine::Engine;
use moat_model::resource::label::Ownership;
use moat_model::resource::{ContainerId, NetworkId, ResourceId};

/// The known resources of the run, by id.
#[derive(Default)]
pub(super) struct Known {
    pub containers: BTreeMap<ContainerId, Seen>,
    pub networks: BTreeMap<NetworkId, String>,
    /// The network of the main container.
    pub home: Option<NetworkId>,
}

#[derive(Clone)]
pub(super) struct Seen {
    pub name: String,
    pub resource: Option<ResourceId>,
    pub privileged: bool,
}

impl<E: Engine> Audited<'_, E> {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn learn(&self, id: &ContainerId, name: &str, owner: Option<&Ownership>) {
        let privileged = owner.is_some_and(|owner| owner.applied.privileged);
        let resource = owner.map(|owner| owner.resource.clone());
        self.known().containers.insert(id.clone(), Seen { name: name.to_owned(), resource, privileged });
    }

    pub(super) fn seen(&self, container: &ContainerId) -> Option<Seen> {
        self.known().containers.get(container).cloned()
    }

    pub(super) fn is_sidecar(&self, container: &ContainerId) -> bool {
        let resource = self.seen(container).and_then(|seen| seen.resource);
        self.sidecar.is_some() && resource == self.sidecar
    }

    /// Returns the known data of a container.
    pub(super) fn of_container(&self, container: &ContainerId) -> Data {
        let mut data = object(json!({ "id": container }));
        if let Some(seen) = self.seen(container) {
            data.insert("name".to_owned(), Value::from(seen.name));
            data.extend(seen.resource.map(|resource| ("resource".to_owned(), Value::from(resource.to_string()))));
            if seen.privileged {
                data.insert("privileged".to_owned(), Value::from(true));
            }
        }
        data
    }

    pub(super) fn of_network(&self, network: &NetworkId) -> Data {
        let mut data = object(json!({ "network_id": network }));
        data.extend(self.known().networks.get(network).map(|name| ("network".to_owned(), Value::from(name.as_str()))));
        data
    }

    /// Returns the known ids of the builder of the main container.
    pub(super) fn building(&self, network: Option<&NetworkId>) -> Data {
        let Some(sidecar) = &self.sidecar else { return Data::new() };
        let known = self.known();
        let container = known.containers.iter().find(|(_, seen)| seen.resource.as_ref() == Some(sidecar));
        object(json!({
            "buildkit_container_id": container.map(|(id, _)| id),
            "buildkit_network_id": network.or(known.home.as_ref()),
        }))
    }
}

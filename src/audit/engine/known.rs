//! Names and owners of resources that calls identify by id only, learned from the lists of the engine.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Audited;
use super::describe::{Data, is_main, object, with};
use moat_model::engine::{Change, Created, Engine};
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
    pub(super) fn learn(&self, id: &ContainerId, name: &str, owner: Option<&Ownership>) {
        let privileged = owner.is_some_and(|owner| owner.applied.privileged);
        let resource = owner.map(|owner| owner.resource.clone());
        self.known.borrow_mut().containers.insert(id.clone(), Seen { name: name.to_owned(), resource, privileged });
    }

    /// Learns from a change that was made.
    pub(super) fn learn_from(&self, change: &Change, made: &Created) {
        match (change, made) {
            (Change::CreateNetwork(create), Created::Network(id)) => {
                self.known.borrow_mut().networks.insert(id.clone(), create.name.clone());
            }
            (Change::CreateContainer(create), Created::Container(id)) => {
                if is_main(&create.labels) {
                    self.known.borrow_mut().home = Some(create.network.clone());
                }
                self.learn(id, &create.name, Ownership::read(&create.labels).as_ref());
            }
            _ => {}
        }
    }

    /// Returns the known data of a container.
    pub(super) fn of_container(&self, container: &ContainerId) -> Data {
        let known = object(json!({ "id": container }));
        let Some(seen) = self.known.borrow().containers.get(container).cloned() else { return known };
        let mut data = with(known, "name", seen.name);
        data.extend(seen.resource.map(|resource| ("resource".to_owned(), Value::from(resource.to_string()))));
        if seen.privileged { with(data, "privileged", true) } else { data }
    }

    pub(super) fn of_network(&self, network: &NetworkId) -> Data {
        let data = object(json!({ "network_id": network }));
        match self.known.borrow().networks.get(network) {
            Some(name) => with(data, "network", name.as_str()),
            None => data,
        }
    }

    /// Returns the known ids of the builder of the main container.
    pub(super) fn building(&self, network: Option<&NetworkId>) -> Data {
        let Some(sidecar) = &self.sidecar else { return Data::new() };
        let known = self.known.borrow();
        let container = known.containers.iter().find(|(_, seen)| seen.resource.as_ref() == Some(sidecar));
        object(json!({
            "buildkit_container_id": container.map(|(id, _)| id),
            "buildkit_network_id": network.or(known.home.as_ref()),
        }))
    }
}

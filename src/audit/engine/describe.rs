//! The events and data of changes in the audit log: the only place that knows them, for planned changes and for calls.
//!
//! Of a container's configuration, only its name, its image and whether it is privileged are logged; of a file, its
//! path; of a Dockerfile, its digest. Everything else may be secret.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Audited;
use crate::audit::batch::Described;
use moat_model::engine::{Change, ContainerCreate, Created, Engine};
use moat_model::resource::digest::sha256;
use moat_model::resource::{FileConfig, ResourceId, label};

pub(super) type Data = Map<String, Value>;

/// Identifies a change that was logged before its call: the event and the name of the resource.
pub(super) type Key = (&'static str, String);

impl<E: Engine> Audited<'_, E> {
    /// Describes a change before its call. `container` and `network` return the known data of what it refers to.
    pub(super) fn describe<C, N>(
        &self,
        change: &Change<C, N>,
        container: impl Fn(&C) -> Data,
        network: impl Fn(&N) -> Data,
    ) -> Described {
        let (event, data) = match change {
            Change::Pull { reference, platform: None } => ("image_pulled", object(json!({ "image": reference }))),
            Change::Pull { reference, platform } => {
                ("image_pulled", object(json!({ "image": reference, "platform": platform })))
            }
            Change::Build(build) => {
                let digest = format!("sha256:{}", sha256(&build.dockerfile));
                ("image_built", object(json!({ "image": build.reference, "dockerfile": digest })))
            }
            Change::Import { reference, .. } => ("image_imported", object(json!({ "image": reference }))),
            Change::CreateNetwork(create) => {
                let subnet = create.subnet.map(|it| it.to_string());
                let data = json!({ "network": create.name, "subnet": subnet, "internal": create.internal });
                ("docker_network_created", object(data))
            }
            Change::RemoveNetwork { network: it } => ("docker_network_removed", network(it)),
            Change::Connect { network: to, container: it, .. } => {
                let mut data = container(it);
                data.extend(network(to));
                ("docker_network_connected", data)
            }
            Change::Disconnect { network: from, container: it } => {
                let mut data = container(it);
                data.extend(network(from));
                ("docker_network_disconnected", data)
            }
            Change::SetPolicy { container: it, policy, .. } => {
                let digest = format!("sha256:{}", sha256(policy));
                ("policy_set", with(container(it), "policy", digest))
            }
            Change::UnlockGrant { container: it, grant, .. } => {
                ("grant_unlocked", with(container(it), "grant", grant.as_str()))
            }
            Change::RevokeGrant { container: it, grant, .. } => {
                ("grant_revoked", with(container(it), "grant", grant.as_str()))
            }
            Change::CreateVolume(create) => {
                let data = json!({ "volume": create.name, "resource": resource(&create.labels) });
                ("volume_created", object(data))
            }
            Change::RemoveVolume { name } => ("volume_removed", object(json!({ "volume": name }))),
            Change::CreateContainer(create) => ("container_created", self.new_container(create)),
            Change::Upload { container: it, files } => ("files_uploaded", with(container(it), "files", paths(files))),
            Change::Start { container: it } => {
                let mut data = container(it);
                let event = if self.is_sidecar(&data) { "buildkit_sidecar_started" } else { "container_started" };
                if is_of(&data, &ResourceId::main()) {
                    data.extend(self.building(None));
                }
                (event, data)
            }
            Change::Stop { container: it, .. } => {
                let data = container(it);
                let event = if self.is_sidecar(&data) { "buildkit_sidecar_stopped" } else { "container_stopped" };
                (event, data)
            }
            Change::Restart { container: it } => ("container_restarted", container(it)),
            Change::Unpause { container: it } => ("container_unpaused", container(it)),
            Change::Update { container: it, .. } => ("container_updated", container(it)),
            Change::Rename { container: it, name } => ("container_renamed", with(container(it), "to", name.as_str())),
            Change::RemoveContainer { container: it } => ("container_removed", container(it)),
        };
        Described { event, data }
    }

    /// The data of a change that is known only after its call.
    pub(super) fn result(&self, change: &Change, made: &Created) -> Data {
        match (change, made) {
            (_, Created::Network(id)) => object(json!({ "network_id": id })),
            (Change::CreateContainer(create), Created::Container(id)) => {
                // The sidecar may be created concurrently: its id is known when this call returns, or at the start of
                // main.
                let data = if is_main(&create.labels) { self.building(Some(&create.network)) } else { Data::new() };
                with(data, "id", id.as_str())
            }
            _ => Data::new(),
        }
    }

    fn new_container<N>(&self, create: &ContainerCreate<N>) -> Data {
        let ContainerCreate { name, labels, config, .. } = create;
        let data = object(json!({
            "name": name,
            "resource": resource(labels),
            "image": config.image,
            "privileged": config.privileged,
            "config": labels.get(label::HASH),
        }));
        if is_main(labels) { with(data, "buildkit_enabled", self.sidecar.is_some()) } else { data }
    }

    fn is_sidecar(&self, data: &Data) -> bool {
        self.sidecar.as_ref().is_some_and(|sidecar| is_of(data, sidecar))
    }
}

pub(super) fn is_main(labels: &BTreeMap<String, String>) -> bool {
    resource(labels).is_some_and(|it| *it == ResourceId::main().to_string())
}

/// Returns the key of a change, if its resource has a name.
pub(super) fn key(described: &Described) -> Option<Key> {
    let names = ["name", "volume", "network", "image"];
    let name = names.iter().find_map(|field| described.data.get(*field)?.as_str())?;
    Some((described.event, name.to_owned()))
}

/// Converts to an object without null fields.
pub(super) fn object(value: Value) -> Data {
    match value {
        Value::Object(object) => object.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Data::new(),
    }
}

pub(super) fn with(mut data: Data, field: &str, value: impl Into<Value>) -> Data {
    data.insert(field.to_owned(), value.into());
    data
}

fn paths(files: &[FileConfig]) -> Vec<&str> {
    files.iter().map(|file| file.path.as_str()).collect()
}

fn resource(labels: &BTreeMap<String, String>) -> Option<&String> {
    labels.get(label::RESOURCE)
}

/// Whether the data of a container says that it is `resource`.
fn is_of(data: &Data, resource: &ResourceId) -> bool {
    data.get("resource").is_some_and(|it| *it == resource.to_string())
}

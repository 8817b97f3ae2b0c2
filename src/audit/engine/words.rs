//! Event names and data of changes in the audit log, the same for a call and for a planned change.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde_json::{Map, Value, json};

use moat_model::engine::ImageBuild;
use moat_model::resource::digest::sha256;
use moat_model::resource::label;
use moat_model::resource::{ContainerConfig, FileConfig, ImageRef, ResourceId};

pub(super) type Data = Map<String, Value>;

/// Identifies a change that was logged before its call: the event and the name of the resource.
pub(super) type Key = (&'static str, String);

pub(super) const IMAGE_PULLED: &str = "image_pulled";
pub(super) const IMAGE_BUILT: &str = "image_built";
pub(super) const NETWORK_CREATED: &str = "docker_network_created";
pub(super) const NETWORK_CONNECTED: &str = "docker_network_connected";
pub(super) const NETWORK_REMOVED: &str = "docker_network_removed";
pub(super) const VOLUME_CREATED: &str = "volume_created";
pub(super) const VOLUME_REMOVED: &str = "volume_removed";
pub(super) const CONTAINER_CREATED: &str = "container_created";
pub(super) const FILES_UPLOADED: &str = "files_uploaded";
pub(super) const CONTAINER_RESTARTED: &str = "container_restarted";
pub(super) const CONTAINER_UNPAUSED: &str = "container_unpaused";
pub(super) const CONTAINER_UPDATED: &str = "container_updated";
pub(super) const CONTAINER_RENAMED: &str = "container_renamed";
pub(super) const CONTAINER_REMOVED: &str = "container_removed";

pub(super) fn started(is_sidecar: bool) -> &'static str {
    if is_sidecar { "buildkit_sidecar_started" } else { "container_started" }
}

pub(super) fn stopped(is_sidecar: bool) -> &'static str {
    if is_sidecar { "buildkit_sidecar_stopped" } else { "container_stopped" }
}

pub(super) fn image(reference: &ImageRef) -> Data {
    object(json!({ "image": reference }))
}

/// Logs the digest of the Dockerfile, not its content: it contains scripts of the user.
pub(super) fn build(build: &ImageBuild) -> Data {
    object(json!({ "image": build.reference, "dockerfile": format!("sha256:{}", sha256(&build.dockerfile)) }))
}

pub(super) fn network(name: &str, subnet: Option<Ipv4Net>, internal: bool) -> Data {
    object(json!({ "network": name, "subnet": subnet.map(|it| it.to_string()), "internal": internal }))
}

pub(super) fn volume(name: &str, labels: &BTreeMap<String, String>) -> Data {
    object(json!({ "volume": name, "resource": resource(labels) }))
}

/// Logs the name, the image and whether the container is privileged, but no secrets.
pub(super) fn container(name: &str, labels: &BTreeMap<String, String>, config: &ContainerConfig, builds: bool) -> Data {
    let mut data = object(json!({
        "name": name,
        "resource": resource(labels),
        "image": config.image,
        "privileged": config.privileged,
        "config": labels.get(label::HASH),
    }));
    if is_main(labels) {
        data.insert("buildkit_enabled".to_owned(), Value::from(builds));
    }
    data
}

pub(super) fn is_main(labels: &BTreeMap<String, String>) -> bool {
    resource(labels).is_some_and(|it| *it == ResourceId::main().to_string())
}

/// Logs the paths of files only: their content may be secret.
pub(super) fn with_files(mut data: Data, files: &[FileConfig]) -> Data {
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    data.insert("files".to_owned(), Value::from(paths));
    data
}

pub(super) fn renamed(mut data: Data, to: &str) -> Data {
    data.insert("to".to_owned(), Value::from(to));
    data
}

/// Returns the key of a change, if its resource has a name.
pub(super) fn key(event: &'static str, data: &Data) -> Option<Key> {
    let names = ["name", "volume", "network", "image"];
    let name = names.iter().find_map(|field| data.get(*field)?.as_str())?;
    Some((event, name.to_owned()))
}

/// Converts to an object without null fields.
pub(super) fn object(value: Value) -> Data {
    match value {
        Value::Object(object) => object.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Data::new(),
    }
}

fn resource(labels: &BTreeMap<String, String>) -> Option<&String> {
    labels.get(label::RESOURCE)
}

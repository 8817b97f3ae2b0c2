//! Lists containers, networks and volumes, one call each.
//!
//! Parsed into small structs. bollard's types use enums, and an unknown value of a later engine, in any container, would
//! fail the whole list.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::images;
use super::networks::INHIBIT_IPV4;
use super::status::StatusLine;
use crate::Docker;
use crate::transport::wire::encoded;
use moat_model::engine::{Call, EngineError, Filter};
use moat_model::resource::label::{self, Origin, Ownership};
use moat_model::resource::{ContainerId, ImageId, NetworkId};
use moat_model::state::{ContainerFacts, ContainerState, Endpoint, NetworkFacts, VolumeFacts};

type Labels = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerEntry {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    names: Vec<String>,
    #[serde(rename = "ImageID", default)]
    image_id: String,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    state: String,
    #[serde(default)]
    status: String,
    #[serde(default, deserialize_with = "or_default")]
    labels: Labels,
    /// Missing in Podman's lists.
    host_config: Option<HostEntry>,
    #[serde(default, deserialize_with = "or_default")]
    network_settings: NetworkSettings,
    #[serde(default, deserialize_with = "or_default")]
    mounts: Vec<MountEntry>,
    #[serde(default, deserialize_with = "or_default")]
    ports: Vec<PortEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PortEntry {
    public_port: Option<u16>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct HostEntry {
    #[serde(default)]
    network_mode: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default, deserialize_with = "or_default")]
    networks: BTreeMap<String, EndpointEntry>,
}

#[derive(Deserialize, Default)]
struct EndpointEntry {
    #[serde(rename = "NetworkID", default)]
    network_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MountEntry {
    #[serde(rename = "Type", default)]
    kind: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkEntry {
    id: String,
    name: String,
    #[serde(default)]
    created: String,
    #[serde(default, deserialize_with = "or_default")]
    labels: Labels,
    #[serde(rename = "IPAM", default, deserialize_with = "or_default")]
    ipam: Ipam,
    #[serde(default)]
    internal: bool,
    #[serde(default, deserialize_with = "or_default")]
    options: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Ipam {
    #[serde(default, deserialize_with = "or_default")]
    config: Vec<IpamEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IpamEntry {
    #[serde(default)]
    subnet: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeList {
    #[serde(default, deserialize_with = "or_default")]
    volumes: Vec<VolumeEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeEntry {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    labels: Labels,
}

pub(crate) async fn containers(docker: &Docker, filter: &Filter) -> Result<Vec<ContainerFacts>, EngineError> {
    let path = format!("/containers/json{}", query(filter, "?all=1&"));
    let entries: Vec<ContainerEntry> =
        docker.get(Call::Containers, &path).await.map_err(|failure| failure.into_error(Call::Containers))?;
    let entries = by_id(docker, entries).await?;
    let mut facts: Vec<_> = entries.into_iter().map(ContainerEntry::facts).collect();
    let disowned = drop_inherited(docker, &mut facts).await?;
    if *filter != Filter::All {
        facts.retain(|facts| !disowned.contains(&facts.id));
    }
    facts.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    Ok(facts)
}

/// Replaces names of networks by their ids: Podman 4 has the name in place of the id. Queries networks only in this case.
async fn by_id(docker: &Docker, mut entries: Vec<ContainerEntry>) -> Result<Vec<ContainerEntry>, EngineError> {
    if !entries.iter().any(ContainerEntry::names_a_network) {
        return Ok(entries);
    }
    let known = networks(docker, &Filter::All).await?;
    let ids: BTreeMap<&str, &NetworkId> = known.iter().map(|network| (network.name.as_str(), &network.id)).collect();
    let endpoints = entries.iter_mut().flat_map(|entry| entry.network_settings.networks.values_mut());
    for endpoint in endpoints.filter(|endpoint| !is_id(&endpoint.network_id)) {
        // A network that is gone keeps its name, which is the id of no network.
        if let Some(id) = ids.get(endpoint.network_id.as_str()) {
            endpoint.network_id = id.to_string();
        }
    }
    Ok(entries)
}

/// Removes the owner from containers whose labels come from their image, and returns these containers. Queries images
/// after the list, so that every listed image is known. Only containers with a name that moat did not give need a query
/// of their own.
async fn drop_inherited(docker: &Docker, facts: &mut [ContainerFacts]) -> Result<BTreeSet<ContainerId>, EngineError> {
    if facts.iter().all(|facts| facts.owner.is_none()) {
        return Ok(BTreeSet::new());
    }
    let claiming = images::claiming(docker).await?;
    let is_named = |facts: &ContainerFacts| facts.owner.as_ref().is_none_or(|owner| owner.is_named(&facts.name));
    let unknown: BTreeSet<ImageId> = facts
        .iter()
        .filter(|facts| !claiming.contains(&facts.image) && !is_named(facts))
        .map(|facts| facts.image.clone())
        .collect();
    let asked = unknown.into_iter().map(|image| async move {
        let origin = images::origin(docker, image.as_str()).await?;
        Ok::<_, EngineError>((image, origin))
    });
    let known: BTreeMap<ImageId, Origin> = try_join_all(asked).await?.into_iter().collect();
    let mut disowned = BTreeSet::new();
    for facts in facts {
        let origin = match known.get(&facts.image) {
            _ if claiming.contains(&facts.image) => Origin::Claiming,
            Some(origin) => *origin,
            // It has the name that moat gave, which suffices for a removed image as well.
            None => Origin::Plain,
        };
        if facts.owner.take_if(|owner| !owner.holds(&facts.name, origin)).is_some() {
            disowned.insert(facts.id.clone());
        }
    }
    Ok(disowned)
}

pub(crate) async fn networks(docker: &Docker, filter: &Filter) -> Result<Vec<NetworkFacts>, EngineError> {
    let path = format!("/networks{}", query(filter, "?"));
    let entries: Vec<NetworkEntry> =
        docker.get(Call::Networks, &path).await.map_err(|failure| failure.into_error(Call::Networks))?;
    let mut facts: Vec<_> = entries.into_iter().map(NetworkEntry::facts).collect();
    facts.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
    Ok(facts)
}

pub(crate) async fn volumes(docker: &Docker, filter: &Filter) -> Result<Vec<VolumeFacts>, EngineError> {
    let path = format!("/volumes{}", query(filter, "?"));
    let list: VolumeList =
        docker.get(Call::Volumes, &path).await.map_err(|failure| failure.into_error(Call::Volumes))?;
    let facts = |entry: VolumeEntry| VolumeFacts { owner: Ownership::read(&entry.labels), name: entry.name };
    let mut facts: Vec<_> = list.volumes.into_iter().map(facts).collect();
    facts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(facts)
}

/// The query of a list with its label filter, appended to `start`.
fn query(filter: &Filter, start: &str) -> String {
    let label = match filter {
        Filter::Run(run) => format!("{}={run}", label::RUN),
        Filter::Ours => label::RUN.to_owned(),
        Filter::All => return start.trim_end_matches(['&', '?']).to_owned(),
    };
    format!("{start}filters={}", encoded(&serde_json::json!({ "label": [label] }).to_string()))
}

impl ContainerEntry {
    /// Whether an endpoint has the network's name in place of its id.
    fn names_a_network(&self) -> bool {
        let mut endpoints = self.network_settings.networks.values();
        self.host_config.is_none() && endpoints.any(|it| !it.network_id.is_empty() && !is_id(&it.network_id))
    }

    fn facts(self) -> ContainerFacts {
        let line = StatusLine::parse(&self.status);
        let home = match self.host_config.map(|host| host.network_mode) {
            Some(mode) => is_id(&mode).then(|| NetworkId::new(mode)),
            None => only_network(&self.network_settings.networks),
        };
        let networks = endpoints(self.network_settings.networks, home.as_ref());
        let named = |mount: MountEntry| (mount.kind == "volume" && !mount.name.is_empty()).then_some(mount.name);
        let mut volumes: Vec<_> = self.mounts.into_iter().filter_map(named).collect();
        volumes.sort();
        volumes.dedup();
        let mut published: Vec<_> = self.ports.into_iter().filter_map(|port| port.public_port).collect();
        published.sort_unstable();
        published.dedup();
        let name = self.names.first().map_or("", |name| name.trim_start_matches('/'));
        ContainerFacts {
            name: name.to_owned(),
            owner: Ownership::read(&self.labels),
            image: ImageId::new(self.image_id),
            state: ContainerState::parse(&self.state),
            up_seconds: line.up_seconds,
            health: line.health,
            exit_code: line.exit_code,
            home,
            networks,
            volumes,
            published,
            created: self.created,
            id: ContainerId::new(self.id),
        }
    }
}

/// The network of a container with one endpoint, if it has an id. It stands in for the network of the creation, which
/// some engines do not report.
fn only_network(entries: &BTreeMap<String, EndpointEntry>) -> Option<NetworkId> {
    let mut ids = entries.values().map(|entry| entry.network_id.as_str());
    let id = ids.next().filter(|id| !id.is_empty())?;
    ids.next().is_none().then(|| NetworkId::new(id))
}

/// Whether a network is given by id.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The endpoints of a container, by the network's name.
///
/// Until its first start a container's endpoint has only the network's name, which another network may have by now. The
/// network of the creation is then in `NetworkMode`, and moat creates by id.
fn endpoints(entries: BTreeMap<String, EndpointEntry>, home: Option<&NetworkId>) -> Vec<Endpoint> {
    let unresolved = entries.values().filter(|entry| entry.network_id.is_empty()).count();
    let created_with = home.filter(|_| unresolved == 1).cloned();
    let endpoint = |(network, entry): (String, EndpointEntry)| match entry.network_id {
        id if id.is_empty() => Endpoint { network, id: created_with.clone() },
        id => Endpoint { network, id: Some(NetworkId::new(id)) },
    };
    entries.into_iter().map(endpoint).collect()
}

impl NetworkEntry {
    fn facts(self) -> NetworkFacts {
        // IPv6 ranges cannot overlap with the IPv4 subnets that moat chooses.
        let subnets = self.ipam.config.into_iter().filter_map(|entry| entry.subnet.parse().ok());
        NetworkFacts {
            name: self.name,
            owner: Ownership::read(&self.labels),
            created: comparable(self.created),
            subnets: subnets.collect(),
            internal: self.internal,
            without_host: self.options.get(INHIBIT_IPV4).is_some_and(|value| value == "true"),
            id: NetworkId::new(self.id),
        }
    }
}

/// Pads the fraction of a second: the engine omits trailing zeros, so that its times do not compare as text.
fn comparable(created: String) -> String {
    created.parse::<Timestamp>().map_or(created, |time| format!("{time:.9}"))
}

/// Engines write `null`, `[]` or `{}` for empty values.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(json: &str) -> ContainerFacts {
        serde_json::from_str::<ContainerEntry>(json).expect("an entry").facts()
    }

    #[test]
    fn a_container_is_parsed() {
        let facts = container(
            r#"{"Id":"c1","Names":["/moat-a"],"Image":"busybox","ImageID":"sha256:i","Command":"sleep","Created":7,
                "Ports":[],"Labels":{"moat.run":"a-1","moat.resource":"container/main","moat.hash":"v1:x"},"State":"exited",
                "Status":"Exited (137) 2 minutes ago","HostConfig":{"NetworkMode":"n1"},
                "NetworkSettings":{"Networks":{"b":{"NetworkID":"n2"},"a":{"NetworkID":"n1"}}},
                "Mounts":[{"Type":"volume","Name":"v2"},{"Type":"bind","Source":"/x"},{"Type":"volume","Name":"v1"}]}"#,
        );
        assert_eq!((facts.id.as_str(), facts.name.as_str(), facts.image.as_str()), ("c1", "moat-a", "sha256:i"));
        assert_eq!((facts.state, facts.exit_code, facts.created), (ContainerState::Exited, Some(137), 7));
        let on = |network: &str, id: &str| Endpoint { network: network.to_owned(), id: Some(NetworkId::new(id)) };
        assert_eq!(facts.networks, [on("a", "n1"), on("b", "n2")]);
        assert_eq!(facts.volumes, ["v1", "v2"]);
        assert_eq!(facts.owner.map(|owner| owner.resource.to_string()).as_deref(), Some("container/main"));
    }

    #[test]
    fn unknown_values_and_nulls_are_accepted() {
        let facts = container(
            r#"{"Id":"c1","Names":null,"State":"hibernating","Status":"Hibernating (3)","Labels":null,"Mounts":null,
                "HostConfig":null,"NetworkSettings":{"Networks":null},"Health":{"Status":"dreaming"},"New":[1]}"#,
        );
        assert_eq!((facts.state, facts.exit_code), (ContainerState::Unknown, None));
        assert_eq!((facts.owner, facts.networks.len(), facts.name.as_str()), (None, 0, ""));
        assert!(serde_json::from_str::<VolumeList>(r#"{"Volumes":null,"Warnings":null}"#).is_ok());
        assert!(
            serde_json::from_str::<NetworkEntry>(r#"{"Id":"n","Name":"n","Labels":null,"IPAM":{"Config":null}}"#)
                .is_ok()
        );
    }

    #[test]
    fn a_container_that_never_ran_is_on_the_network_of_its_creation() {
        let id = "a".repeat(64);
        let networks = |mode: &str, networks: &str| {
            container(&format!(
                r#"{{"Id":"c","HostConfig":{{"NetworkMode":"{mode}"}},"NetworkSettings":{{"Networks":{{{networks}}}}}}}"#
            ))
            .networks
        };
        let named =
            |network: &str, id: Option<&str>| Endpoint { network: network.to_owned(), id: id.map(NetworkId::new) };
        let one = r#""n":{"NetworkID":""}"#;
        assert_eq!(networks(&id, one), [named("n", Some(&id))]);
        assert_eq!(networks("n", one), [named("n", None)], "another network may have this name");
        assert_eq!(networks(&id, ""), [], "disconnected by a user");
        let two = r#""m":{"NetworkID":""},"n":{"NetworkID":""}"#;
        assert_eq!(networks(&id, two), [named("m", None), named("n", None)], "ambiguous");
    }

    #[test]
    fn without_the_network_of_the_creation_the_only_one_counts() {
        let home = |host: &str, networks: &str| {
            let json = format!(r#"{{"Id":"c",{host}"NetworkSettings":{{"Networks":{{{networks}}}}}}}"#);
            container(&json).home
        };
        let (n1, n2) = (r#""a":{"NetworkID":"n1"}"#, r#""b":{"NetworkID":"n2"}"#);
        for missing in ["", r#""HostConfig":null,"#] {
            assert_eq!(home(missing, n1), Some(NetworkId::new("n1")));
            assert_eq!(home(missing, &format!("{n1},{n2}")), None, "ambiguous");
            assert_eq!(home(missing, ""), None);
            assert_eq!(home(missing, r#""a":{"NetworkID":""}"#), None);
        }
        for reported in [r#""HostConfig":{},"#, r#""HostConfig":{"NetworkMode":"bridge"},"#] {
            assert_eq!(home(reported, n1), None, "created by name, not by moat");
        }
    }

    #[test]
    fn creation_times_compare_as_times() {
        let earlier = comparable("2026-11-23T21:56:00.1Z".to_owned());
        let later = comparable("2026-11-23T21:56:00.12Z".to_owned());
        assert!(earlier < later, "{earlier} {later}");
        let elsewhere = comparable("2026-11-23T22:56:00.11+01:00".to_owned());
        assert!(earlier < elsewhere && elsewhere < later, "{elsewhere}");
        assert_eq!(comparable("once".to_owned()), "once");
    }

    #[test]
    fn lists_are_filtered_by_run_or_by_owner() {
        let run = moat_model::resource::RunId::from_label("a-1");
        assert_eq!(query(&Filter::Run(run), "?"), "?filters=%7B%22label%22%3A%5B%22moat.run%3Da-1%22%5D%7D");
        assert_eq!(query(&Filter::Ours, "?all=1&"), "?all=1&filters=%7B%22label%22%3A%5B%22moat.run%22%5D%7D");
        assert_eq!((query(&Filter::All, "?all=1&"), query(&Filter::All, "?")), ("?all=1".to_owned(), String::new()));
    }
}

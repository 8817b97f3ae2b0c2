//! Networks: creation, removal, and connecting containers.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateRequest,
    NetworkDisconnectRequest,
};
use ipnet::Ipv4Net;
use serde::Deserialize;

use crate::transport::version::Vendor;
use crate::{Docker, safe};
use moat_model::engine::{Call, EngineError, Fault, NetworkCreate};
use moat_model::resource::subnet::{assigned_range, bridge_address};
use moat_model::resource::{ContainerId, NetworkId};

/// The driver of networks on one host.
const BRIDGE: &str = "bridge";

/// Keeps the bridge without an address, so that containers do not reach the host's services at it.
pub(crate) const INHIBIT_IPV4: &str = "com.docker.network.bridge.inhibit_ipv4";

pub(crate) async fn create(docker: &Docker, create: &NetworkCreate) -> Result<NetworkId, EngineError> {
    if create.gateway && docker.vendor == Vendor::Podman {
        // It gives the host an address on every network, and ignores the option.
        let error = EngineError::new(Fault::Refused, "Podman cannot create a network for a network policy");
        return Err(error.hint("use Docker, or set `network.policy: open`"));
    }
    let made = docker.call(Call::CreateNetwork, docker.api.create_network(request(create))).await;
    made.map(|made| NetworkId::new(made.id)).map_err(|failure| failure.into_error(Call::CreateNetwork))
}

pub(crate) async fn remove(docker: &Docker, network: &NetworkId) -> Result<(), EngineError> {
    docker.ensure(Call::RemoveNetwork, docker.api.remove_network(safe(network.as_str())?)).await
}

pub(crate) async fn connect(
    docker: &Docker,
    network: &NetworkId,
    container: &ContainerId,
    aliases: &[String],
    address: Option<Ipv4Addr>,
) -> Result<(), EngineError> {
    let endpoint = endpoint(aliases, address);
    let request = NetworkConnectRequest { container: container.to_string(), endpoint_config: Some(endpoint) };
    docker.ensure(Call::Connect, docker.api.connect_network(safe(network.as_str())?, request)).await
}

pub(crate) async fn disconnect(
    docker: &Docker,
    network: &NetworkId,
    container: &ContainerId,
) -> Result<(), EngineError> {
    // Not `force`, which is for containers that the engine has lost.
    let request = NetworkDisconnectRequest { container: container.to_string(), force: None };
    docker.ensure(Call::Disconnect, docker.api.disconnect_network(safe(network.as_str())?, request)).await
}

/// The addresses on a network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    /// The Docker host's, or what would be it.
    pub host: Option<Ipv4Addr>,
    /// Those of running containers, by id.
    pub containers: BTreeMap<ContainerId, Ipv4Addr>,
}

impl Docker {
    /// The addresses on a network; none if it does not exist.
    ///
    /// # Errors
    /// If the engine does not respond.
    pub async fn addresses(&self, network: &NetworkId) -> Result<Addresses, EngineError> {
        let path = format!("/networks/{}", safe(network.as_str())?);
        let found: Inspected = match self.get(Call::Networks, &path).await {
            Ok(found) => found,
            Err(failure) => match failure.into_error(Call::Networks) {
                error if error.fault == Fault::NotFound => return Ok(Addresses::default()),
                error => return Err(error),
            },
        };
        let ranges = found.ipam.unwrap_or_default().config.unwrap_or_default();
        let range = ranges.iter().find_map(|it| Some((it.subnet.as_deref()?.parse::<Ipv4Net>().ok()?, it)));
        let host = range.map(|(subnet, it)| {
            let given = it.gateway.as_deref().and_then(|it| it.parse().ok());
            given.unwrap_or_else(|| bridge_address(subnet))
        });
        let address = |(id, endpoint): (String, InspectedEndpoint)| {
            let (ip, _) = endpoint.address.split_once('/')?;
            Some((ContainerId::new(id), ip.parse().ok()?))
        };
        Ok(Addresses { host, containers: found.containers.into_iter().filter_map(address).collect() })
    }
}

#[derive(Deserialize)]
struct Inspected {
    #[serde(rename = "IPAM")]
    ipam: Option<Ipam>,
    #[serde(rename = "Containers", default)]
    containers: BTreeMap<String, InspectedEndpoint>,
}

#[derive(Deserialize)]
struct InspectedEndpoint {
    #[serde(rename = "IPv4Address", default)]
    address: String,
}

/// A container's endpoint on a network.
pub(crate) fn endpoint(aliases: &[String], address: Option<Ipv4Addr>) -> EndpointSettings {
    let fixed =
        |address: Ipv4Addr| EndpointIpamConfig { ipv4_address: Some(address.to_string()), ..Default::default() };
    EndpointSettings {
        aliases: (!aliases.is_empty()).then(|| aliases.to_vec()),
        ipam_config: address.map(fixed),
        ..Default::default()
    }
}

fn request(create: &NetworkCreate) -> NetworkCreateRequest {
    let config = |subnet: &Ipv4Net| IpamConfig {
        subnet: Some(subnet.to_string()),
        // Otherwise the engine takes the bridge's address from the assigned range.
        gateway: create.gateway.then(|| bridge_address(*subnet).to_string()),
        ip_range: create.gateway.then(|| assigned_range(*subnet).to_string()),
        ..Default::default()
    };
    let ipam = create.subnet.as_ref().map(|subnet| Ipam { config: Some(vec![config(subnet)]), ..Default::default() });
    NetworkCreateRequest {
        name: create.name.clone(),
        driver: Some(BRIDGE.to_owned()),
        internal: create.internal.then_some(true),
        ipam,
        options: create.gateway.then(|| HashMap::from([(INHIBIT_IPV4.to_owned(), "true".to_owned())])),
        labels: Some(create.labels.clone().into_iter().collect::<HashMap<_, _>>()),
        ..Default::default()
    }
}

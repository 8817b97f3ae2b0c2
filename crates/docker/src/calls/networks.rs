//! Networks: creation, removal, and connecting containers.

use std::collections::HashMap;

use bollard::models::{EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateRequest};
use ipnet::Ipv4Net;

use crate::{Docker, safe};
use moat_model::engine::{Call, EngineError, NetworkCreate};
use moat_model::resource::{ContainerId, NetworkId};

/// The driver of networks on one host.
const BRIDGE: &str = "bridge";

pub(crate) async fn create(docker: &Docker, create: &NetworkCreate) -> Result<NetworkId, EngineError> {
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
) -> Result<(), EngineError> {
    let request = NetworkConnectRequest { container: container.to_string(), endpoint_config: Some(endpoint(aliases)) };
    docker.ensure(Call::Connect, docker.api.connect_network(safe(network.as_str())?, request)).await
}

/// A container's endpoint on a network.
pub(crate) fn endpoint(aliases: &[String]) -> EndpointSettings {
    EndpointSettings { aliases: (!aliases.is_empty()).then(|| aliases.to_vec()), ..Default::default() }
}

fn request(create: &NetworkCreate) -> NetworkCreateRequest {
    let config = |subnet: &Ipv4Net| IpamConfig { subnet: Some(subnet.to_string()), ..Default::default() };
    let ipam = create.subnet.as_ref().map(|subnet| Ipam { config: Some(vec![config(subnet)]), ..Default::default() });
    NetworkCreateRequest {
        name: create.name.clone(),
        driver: Some(BRIDGE.to_owned()),
        internal: create.internal.then_some(true),
        ipam,
        labels: Some(create.labels.clone().into_iter().collect::<HashMap<_, _>>()),
        ..Default::default()
    }
}

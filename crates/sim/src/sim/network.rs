//! Effects of network calls on the daemon, with the refusals of a real one.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::DuplicateNetworks;
use super::daemon::{Attachment, Daemon, EPOCH, Network, matches};
use super::subnet::{first_free, is_free};
use moat_model::engine::call::Call;
use moat_model::engine::{EngineError, Fault, Filter, NetworkCreate};
use moat_model::resource::label::Ownership;
use moat_model::resource::{ContainerId, NetworkId};
use moat_model::state::ContainerState::{Dead, Removing};
use moat_model::state::NetworkFacts;

impl Daemon {
    pub fn list_networks(&self, filter: &Filter) -> Vec<NetworkFacts> {
        let mut networks: Vec<_> = self.networks.values().filter(|n| matches(filter, &n.labels)).collect();
        networks.sort_by_key(|n| n.serial);
        networks.into_iter().map(Network::facts).collect()
    }

    pub fn create_network(&mut self, create: &NetworkCreate) -> Result<NetworkId, EngineError> {
        let NetworkCreate { name, labels, internal, subnet, gateway } = create;
        let taken = self.networks.values().any(|network| network.name == *name);
        if taken && self.duplicates == DuplicateNetworks::Refused {
            return Err(EngineError::new(Fault::Conflict, format!("network with name {name} already exists")));
        }
        let range = match subnet {
            Some(range) => self.wanted_range(*range)?,
            None => first_free(&self.used_ranges()).ok_or_else(|| {
                let words = "all predefined address pools have been fully subnetted";
                EngineError::new(Fault::Subnet, words)
            })?,
        };
        let id = self.add_network(name, labels.clone(), *internal, Some(range));
        if let Some(network) = self.networks.get_mut(&id) {
            network.gateway = *gateway;
        }
        Ok(id)
    }

    pub fn remove_network(&mut self, id: &NetworkId) -> Result<(), EngineError> {
        let Ok(network) = self.network(id) else { return Ok(()) };
        if self.has_endpoints(id) {
            let words = format!("error while removing network: network {} has active endpoints", network.name);
            return Err(EngineError::new(Fault::InUse, words));
        }
        self.networks.remove(id);
        Ok(())
    }

    pub fn connect(
        &mut self,
        id: &NetworkId,
        container: &ContainerId,
        aliases: &[String],
        address: Option<Ipv4Addr>,
    ) -> Result<(), EngineError> {
        self.check_address(id, address)?;
        let name = self.network(id)?.name.clone();
        self.guard_container(Call::Connect, container);
        let container = self.container(container)?;
        if matches!(container.state, Removing | Dead) {
            return Err(EngineError::new(Fault::Conflict, "container is marked for removal"));
        }
        if !container.is_on(id) {
            let used = container.lives();
            let (network, aliases) = (id.clone(), aliases.to_vec());
            container.endpoints.push(Attachment { network, name, used, aliases });
        }
        Ok(())
    }

    pub fn disconnect(&mut self, id: &NetworkId, container: &ContainerId) -> Result<(), EngineError> {
        self.network(id)?;
        self.guard_container(Call::Disconnect, container);
        let container = self.container(container)?;
        // Docker answers with an error, which counts as done.
        container.endpoints.retain(|endpoint| endpoint.network != *id);
        Ok(())
    }

    /// Refuses an address outside of the network.
    pub fn check_address(&self, network: &NetworkId, address: Option<Ipv4Addr>) -> Result<(), EngineError> {
        let subnet = self.network(network)?.subnet;
        match address {
            Some(address) if !subnet.is_some_and(|subnet| subnet.contains(&address)) => {
                let words = format!("no configured subnet contains IP address {address}");
                Err(EngineError::new(Fault::Refused, words))
            }
            _ => Ok(()),
        }
    }

    fn wanted_range(&self, range: Ipv4Net) -> Result<Ipv4Net, EngineError> {
        if range != range.trunc() {
            let words = format!("invalid subnet {range}: it should be {}", range.trunc());
            return Err(EngineError::new(Fault::Refused, words));
        }
        if !is_free(range, &self.used_ranges()) {
            return Err(EngineError::new(Fault::Subnet, "pool overlaps with other one on this address space"));
        }
        Ok(range)
    }

    pub fn used_ranges(&self) -> Vec<Ipv4Net> {
        self.networks.values().filter_map(|network| network.subnet).collect()
    }
}

impl Network {
    fn facts(&self) -> NetworkFacts {
        // Creation times are unique, even on a paused clock.
        let since_epoch = Duration::from_secs(EPOCH.unsigned_abs()) + self.created + Duration::from_nanos(self.serial);
        // Fixed width, so that it sorts like the engine's own times.
        let created = format!("{:012}.{:09}", since_epoch.as_secs(), since_epoch.subsec_nanos());
        NetworkFacts {
            id: self.id.clone(),
            name: self.name.clone(),
            owner: Ownership::read(&self.labels),
            created,
            subnets: self.subnet.into_iter().collect(),
            internal: self.internal,
            without_host: self.gateway,
        }
    }
}

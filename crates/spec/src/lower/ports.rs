//! Lowers published ports.

use super::Lowering;
use crate::diagnostic::quoted;
use crate::one_of::OneOf;
use crate::ports;
use crate::raw_ports::{PortParts, Ports};
use crate::shape::Fault;
use moat_model::resource::port::LOOPBACK;
use moat_model::resource::{HostPort, PortConfig, Protocol};

impl Lowering<'_> {
    /// The ports of a container; `at` is the path of its key `ports`.
    pub fn ports(&mut self, at: &str, written: Ports) -> Vec<PortConfig> {
        let mut all: Vec<PortConfig> = Vec::new();
        for (i, (name, entry)) in written.0.into_iter().enumerate() {
            let at = format!("{at}.{}", name.clone().unwrap_or_else(|| i.to_string()));
            let found = match entry {
                OneOf::Text(text) => self.read(&at, ports::read(&text)).unwrap_or_default(),
                OneOf::Parts(written) => self.port_of_parts(&at, written).into_iter().collect(),
            };
            if let (Some(name), true) = (&name, found.len() > 1) {
                let message = format!("{} names one port, not a range", quoted(name));
                self.fault(&at, Fault::new(message, "write the range as a list item: `- 8000-8010`"));
            }
            if found.iter().any(|port| port.container.protocol == Protocol::Udp) {
                self.udp_ports.push(at.clone());
            }
            for port in found {
                let port = PortConfig { name: name.clone().or(port.name), ..port };
                self.published(&at, &all, &port);
                all.push(port);
            }
        }
        all
    }

    fn port_of_parts(&mut self, at: &str, parts: PortParts) -> Option<PortConfig> {
        let PortParts { target, published, host_ip, protocol, name } = parts;
        let number = self.read(&format!("{at}.target"), ports::single(&target))?;
        let host = match published {
            None => HostPort::Free,
            Some(text) => HostPort::Fixed(self.read(&format!("{at}.published"), ports::single(&text))?),
        };
        let address = match host_ip {
            None => LOOPBACK,
            Some(text) => self.read(&format!("{at}.host_ip"), ports::address_of(&text))?,
        };
        Some(PortConfig { name, ..ports::port(number, protocol.into(), address, host) })
    }

    /// Reports conflicts of a port with other ports of its container and with host ports of all containers.
    fn published(&mut self, at: &str, others: &[PortConfig], port: &PortConfig) {
        if others.iter().any(|other| other.container == port.container) {
            let message = format!("container port {} is published twice", port.container);
            self.fault(at, Fault::new(message, "keep one of them"));
        }
        let same = |other: &&PortConfig| {
            other.host == port.host
                && other.container.protocol == port.container.protocol
                && (other.address == port.address || other.address.is_unspecified() || port.address.is_unspecified())
        };
        if !matches!(port.host, HostPort::Fixed(_)) {
            return;
        }
        if let Some(other) = self.fixed_ports.iter().find(same) {
            let message = format!("host port is already mapped to {}", other.container);
            self.fault(at, Fault::new(message, "choose another host port, or omit it for a free one"));
        }
        self.fixed_ports.push(port.clone());
    }
}

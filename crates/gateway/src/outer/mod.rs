//! The outer side: resolves names that the rules allow, checks the addresses, and connects.

mod dial;
mod resolver;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use moat_policy::address::Refusal;
use moat_policy::{HOST, HostName, Port, Verdict};
use tokio::net::TcpStream;

use super::config::Config;
use super::limits::Limits;
use super::log::Reason;

pub use dial::Dial;
pub(crate) use dial::Tcp;
pub(crate) use resolver::Names;

/// The outer side.
pub(crate) struct Outer {
    pub names: Names,
    dial: Arc<dyn Dial>,
    host: Option<IpAddr>,
    limits: Limits,
}

/// A connection to the outside.
pub(crate) struct Connected {
    pub stream: TcpStream,
    pub address: IpAddr,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoConnection {
    #[error("it resolves to {0}, {1}")]
    Refused(IpAddr, Refusal),
    #[error("its name cannot be resolved: {0}")]
    Unresolved(String),
    #[error("it cannot be reached: {0}")]
    Unreachable(io::Error),
    #[error("it does not answer in time")]
    Timeout,
}

/// The system's file of names.
const HOSTS: &str = "/etc/hosts";

/// Addresses that are tried. A name with more has enough of them.
const ADDRESSES_MAX: usize = 4;

impl NoConnection {
    pub fn reason(&self) -> Reason {
        match self {
            Self::Refused(..) => Reason::Address,
            Self::Unresolved(_) => Reason::Unresolved,
            Self::Unreachable(_) | Self::Timeout => Reason::Unreachable,
        }
    }
}

impl Outer {
    pub fn new(config: &Config, limits: Limits, dial: Arc<dyn Dial>) -> Result<Self, String> {
        Ok(Self { names: Names::new(&config.resolvers)?, dial, host: config.host.or_else(host_of_the_system), limits })
    }

    /// Connects to a host that the rules allow.
    pub async fn connect(&self, name: &HostName, port: Port, verdict: &Verdict<'_>) -> Result<Connected, NoConnection> {
        let all = async {
            let addresses = self.addresses(name).await?;
            self.first_of(&checked(addresses, verdict)?, port).await
        };
        tokio::time::timeout(self.limits.connect, all).await.unwrap_or(Err(NoConnection::Timeout))
    }

    /// Connects to an address of the sandbox's own network.
    pub async fn connect_inside(&self, address: IpAddr, port: Port) -> io::Result<TcpStream> {
        let dial = self.dial.dial(SocketAddr::new(address, port.number()));
        tokio::time::timeout(self.limits.connect, dial).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }

    async fn addresses(&self, name: &HostName) -> Result<Vec<IpAddr>, NoConnection> {
        if name.as_str() == HOST {
            let unknown = || NoConnection::Unresolved("the address of the Docker host is not configured".into());
            return self.host.map(|address| vec![address]).ok_or_else(unknown);
        }
        self.names.lookup(name).await.map_err(NoConnection::Unresolved)
    }

    /// One after the other: with a list of public addresses the first one nearly always answers.
    async fn first_of(&self, addresses: &[IpAddr], port: Port) -> Result<Connected, NoConnection> {
        let mut last = NoConnection::Unresolved("it has no address".into());
        // A server that does not answer leaves time for the next one.
        let share = self.limits.connect / u32::try_from(addresses.len().max(1)).unwrap_or(1);
        for address in addresses {
            let dial = self.dial.dial(SocketAddr::new(*address, port.number()));
            match tokio::time::timeout(share, dial).await {
                Ok(Ok(stream)) => return Ok(Connected { stream, address: *address }),
                Ok(Err(error)) => last = NoConnection::Unreachable(error),
                Err(_) => last = NoConnection::Timeout,
            }
        }
        Err(last)
    }
}

/// The Docker host's address as the engine has written it, for a container that was created with it.
fn host_of_the_system() -> Option<IpAddr> {
    address_in(&std::fs::read_to_string(HOSTS).ok()?)
}

fn address_in(hosts: &str) -> Option<IpAddr> {
    let mut lines = hosts.lines().map(str::split_whitespace);
    lines.find_map(|mut words| {
        let address = words.next()?.parse().ok()?;
        words.any(|word| word == HOST).then_some(address)
    })
}

/// The addresses that the verdict allows. The check is here, after the resolution, and the connection goes to the very
/// address that was checked: a name server cannot change its mind in between.
fn checked(addresses: Vec<IpAddr>, verdict: &Verdict<'_>) -> Result<Vec<IpAddr>, NoConnection> {
    let mut refused = None;
    let mut allowed = Vec::new();
    for address in addresses {
        match verdict.check_address(address) {
            Ok(()) => allowed.push(address),
            Err(refusal) => refused = Some(NoConnection::Refused(address, refusal)),
        }
    }
    allowed.truncate(ADDRESSES_MAX);
    match refused {
        Some(refused) if allowed.is_empty() => Err(refused),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_docker_hosts_address_is_found_by_its_name() {
        let hosts = "# 1.1.1.1 host.docker.internal\n127.0.0.1\tlocalhost\n172.17.0.1\thost.docker.internal\n";
        assert_eq!(address_in(hosts), "172.17.0.1".parse().ok());
        assert_eq!(address_in("127.0.0.1 localhost xhost.docker.internal\n"), None);
    }
}

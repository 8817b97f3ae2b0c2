//! The resolver for outside names and for containers of the run.
//!
//! Resolves any name: the caller has decided that it is allowed.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use moat_policy::HostName;

/// A resolver with a cache.
pub(crate) struct Names(TokioResolver);

/// The name servers of the container.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The longest time that an address is remembered. Long enough for the connections of one build, short enough for a
/// server that moves.
const TTL_MAX: Duration = Duration::from_secs(60);

/// As many names as a large build uses.
const CACHE_SIZE: u64 = 1024;

/// The time for one answer; there are two tries.
const ANSWER: Duration = Duration::from_secs(4);

/// Queries at a time on one connection to a name server.
const QUERIES_MAX: usize = 256;

impl Names {
    /// A resolver with the given name servers, or with those of the system.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, String> {
        let servers = if servers.is_empty() { of_the_system()? } else { servers.to_vec() };
        let config = ResolverConfig::from_name_servers(servers.into_iter().map(server).collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = CACHE_SIZE;
        options.positive_max_ttl = Some(TTL_MAX);
        options.negative_max_ttl = Some(TTL_MAX);
        options.timeout = ANSWER;
        options.max_active_requests = QUERIES_MAX;
        Ok(Self(builder.build().map_err(|error| error.to_string())?))
    }

    /// The addresses of a name.
    ///
    /// # Errors
    /// If the name does not exist or no server answers.
    pub async fn lookup(&self, name: &HostName) -> Result<Vec<IpAddr>, String> {
        let mut name = Name::from_ascii(name.as_str()).map_err(|error| error.to_string())?;
        // Without this, the search list of the system would apply.
        name.set_fqdn(true);
        let found = self.0.lookup_ip(name).await.map_err(|error| error.to_string())?;
        Ok(found.iter().collect())
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    NameServerConfig::new(address.ip(), true, vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())])
}

fn of_the_system() -> Result<Vec<SocketAddr>, String> {
    let text = std::fs::read_to_string(RESOLV_CONF).map_err(|error| format!("{RESOLV_CONF}: {error}"))?;
    let servers = name_servers(&text);
    if servers.is_empty() { Err(format!("{RESOLV_CONF} names no name server")) } else { Ok(servers) }
}

fn name_servers(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse::<IpAddr>().ok()).flatten()
    };
    text.lines().filter_map(address).map(|ip| SocketAddr::new(ip, 53)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_of_a_file_are_found() {
        let text =
            "# nameserver 1.1.1.1\nnameserver 127.0.0.11\nsearch corp.example\nnameserver\tfd00::1\nnameserver x\n";
        let servers: Vec<String> = name_servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["127.0.0.11:53", "[fd00::1]:53"]);
    }
}

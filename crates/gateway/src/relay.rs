//! Published ports: connections from the Docker host into the sandbox.
//!
//! Docker publishes no ports of containers on internal networks, so the gateway publishes them and relays.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

use super::config::{Relay, Target};
use super::connection::Shared;
use super::listen::accept;
use super::splice::{Traffic, splice};

/// Relays one port until the gateway stops.
pub(crate) async fn relay(listener: TcpListener, shared: Arc<Shared>, relay: Relay) {
    let server = Arc::clone(&shared);
    let refuse = |client| tracing::warn!("refused a connection of {client}: too many to published ports");
    let table = shared.relayed.clone();
    accept(listener, shared, table, refuse, move |stream, _| serve(Arc::clone(&server), stream, relay.clone())).await;
}

/// Listens on every address: the engine's publishing enters by the second network.
pub(crate) async fn bind(relay: &Relay) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), relay.listen.number())).await
}

async fn serve(shared: Arc<Shared>, mut client: TcpStream, relay: Relay) {
    match connect(&shared, &relay).await {
        Ok(mut server) => {
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            splice(&mut client, &mut server, &Traffic::default(), &shared.buffers, shared.limits.idle).await;
        }
        Err(error) => tracing::debug!("cannot relay port {}: {error}", relay.listen),
    }
}

async fn connect(shared: &Shared, relay: &Relay) -> io::Result<TcpStream> {
    let address = match &relay.to {
        Target::Address(address) => *address,
        Target::Container(name) => {
            let found: Vec<IpAddr> = shared.outer.names.lookup(name).await.map_err(io::Error::other)?;
            *found.first().ok_or(io::ErrorKind::NotFound)?
        }
    };
    shared.outer.connect_inside(address, relay.port).await
}

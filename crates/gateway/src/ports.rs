//! TCP ports that rules name. Each leads to one host, whatever name the client has resolved.
//!
//! The listeners follow the rules.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};

use moat_policy::Port;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::connection::{Attempt, Shared, decide_and_copy};
use super::listen::accept;
use super::log::{Plane, Reason};

/// Listens on the ports of the active rules until the gateway stops.
pub(crate) async fn follow(shared: Arc<Shared>) {
    let mut rules = shared.rules.subscribe();
    let mut open: BTreeMap<Port, AbortOnDropHandle<()>> = BTreeMap::new();
    loop {
        let active = Arc::clone(&rules.borrow_and_update());
        let named = active.policy.named_ports();
        open.retain(|port, _| named.contains_key(port));
        let mut unbound = Vec::new();
        for port in named.keys() {
            if open.contains_key(port) {
                continue;
            }
            match listen(&shared, *port).await {
                Ok(task) => drop(open.insert(*port, task)),
                Err(error) => {
                    tracing::warn!("cannot listen on port {port}, which a rule names: {error}");
                    unbound.push(*port);
                }
            }
        }
        *shared.unbound.lock().unwrap_or_else(PoisonError::into_inner) = unbound;
        shared.followed.send_replace(active.version);
        tokio::select! {
            () = shared.stop.cancelled() => return,
            changed = rules.changed() => if changed.is_err() { return },
        }
    }
}

async fn listen(shared: &Arc<Shared>, port: Port) -> io::Result<AbortOnDropHandle<()>> {
    let address = SocketAddr::new(shared.config.address.into(), port.number());
    let listener = TcpListener::bind(address).await?;
    let (refuser, server) = (Arc::clone(shared), Arc::clone(shared));
    let refuse = move |client| attempt(client, port).deny(&refuser, None, Reason::Full);
    let serve = move |stream, client| serve(Arc::clone(&server), stream, client, port);
    let accept = accept(listener, Arc::clone(shared), shared.table.clone(), refuse, serve);
    Ok(AbortOnDropHandle::new(tokio::spawn(accept)))
}

async fn serve(shared: Arc<Shared>, mut client: TcpStream, peer: IpAddr, port: Port) {
    let owner = shared.rules.current().policy.named_ports().get(&port).cloned();
    let attempt = attempt(peer, port);
    match owner {
        // A client without a connection is closed; there is no protocol to tell it why.
        Some(name) => drop(decide_and_copy(&shared, &attempt, &name, &mut client, &[]).await),
        None => attempt.deny(&shared, None, Reason::NoRule),
    }
}

fn attempt(client: IpAddr, port: Port) -> Attempt {
    Attempt::new(Plane::Tcp, client, port)
}

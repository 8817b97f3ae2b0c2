//! What passes in a tunnel: requests that are read, or bytes that are copied.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use moat_policy::Port;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::prefixed::Prefixed;
use super::session::{Place, Session};
use super::target::Target;
use crate::connection::{Attempt, Shared, decide_and_copy};
use crate::idle::Idle;
use crate::log::{Plane, Reason};
use crate::tls::{self, Alert};

/// Serves a tunnel. `read`: the bytes that the client has sent already.
pub(super) async fn serve(shared: Arc<Shared>, peer: IpAddr, target: Target, mut client: TcpStream, read: Bytes) {
    let attempt = Attempt::new(Plane::Agent, peer, target.port);
    match target.port {
        Port::TLS => tls(shared, attempt, target, client, read).await,
        Port::HTTP => {
            let stream = Prefixed::new(read, Idle::new(client, shared.limits.idle));
            Session::new(shared, peer, Place::Tunnel { target, tls: false }).serve(stream, false).await;
        }
        // The tunnel is open, so a client that is denied now is closed.
        _ => drop(decide_and_copy(&shared, &attempt, &target.name, &mut client, &read).await),
    }
}

/// Ends TLS where requests must be read; otherwise the handshake is between client and server.
async fn tls(shared: Arc<Shared>, attempt: Attempt, target: Target, mut client: TcpStream, read: Bytes) {
    let Some(hello) = tls::hello(&shared, &attempt, &mut client, read.to_vec()).await else { return };
    if hello.name != target.name {
        attempt.deny(&shared, Some(&hello.name), Reason::Mismatch);
        return tls::refuse(&shared, &mut client, Alert::UnrecognizedName).await;
    }
    if !shared.rules.current().policy.is_limited(&target.name, target.port) {
        return tls::pass(&shared, &attempt, &mut client, &hello).await;
    }
    let config = match shared.authority.server(&target.name) {
        Ok(config) => config,
        Err(error) => {
            tracing::warn!("{error}");
            return tls::refuse(&shared, &mut client, Alert::InternalError).await;
        }
    };
    let stream = Prefixed::new(hello.bytes, Idle::new(client, shared.limits.idle));
    let handshake = TlsAcceptor::from(config).accept(stream);
    match tokio::time::timeout(shared.limits.hello, handshake).await {
        Ok(Ok(stream)) => {
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let place = Place::Tunnel { target, tls: true };
            Session::new(Arc::clone(&shared), attempt.client, place).serve(stream, is_http2).await;
        }
        // Most often a client that does not know the authority.
        Ok(Err(_)) => attempt.deny(&shared, Some(&target.name), Reason::Handshake),
        Err(_) => attempt.deny(&shared, Some(&target.name), Reason::Timeout),
    }
}

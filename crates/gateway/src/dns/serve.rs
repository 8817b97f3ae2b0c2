//! DNS over UDP and TCP.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use moat_policy::Port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::answer;
use super::recent::Recent;
use crate::connection::{Attempt, Shared};
use crate::listen::accept;
use crate::log::{Plane, Reason};
use crate::table::Table;

/// Larger than any query. A longer packet is malformed.
const PACKET_MAX: usize = 4096;

/// Answers queries over UDP until the gateway stops.
pub(crate) async fn udp(socket: UdpSocket, shared: Arc<Shared>) {
    let socket = Arc::new(socket);
    let recent = Arc::new(Mutex::new(Recent::default()));
    let table = Table::new(shared.limits.queries);
    let mut packet = vec![0; PACKET_MAX];
    loop {
        let received = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            received = socket.recv_from(&mut packet) => received,
        };
        let Ok((length, peer)) = received else {
            // The error of an earlier answer to a port that is closed by now.
            tokio::task::yield_now().await;
            continue;
        };
        let Some(place) = table.enter() else { continue };
        let query = packet[..length].to_vec();
        let (socket, recent, server) = (Arc::clone(&socket), Arc::clone(&recent), Arc::clone(&shared));
        shared.tasks.spawn(async move {
            let _place = place;
            if let Some(answer) = reply(&server, &recent, &query, peer.ip()).await {
                let _ = socket.send_to(&answer, peer).await;
            }
        });
    }
}

/// Answers queries over TCP until the gateway stops.
pub(crate) async fn tcp(listener: TcpListener, shared: Arc<Shared>) {
    let recent = Arc::new(Mutex::new(Recent::default()));
    let (refuser, server) = (Arc::clone(&shared), Arc::clone(&shared));
    let refuse = move |client| attempt(client).deny(&refuser, None, Reason::Full);
    let serve = move |stream, client| {
        let (shared, recent) = (Arc::clone(&server), Arc::clone(&recent));
        async move { drop(queries(&shared, &recent, stream, client).await) }
    };
    let table = shared.table.clone();
    accept(listener, shared, table, refuse, serve).await;
}

/// The queries of one connection, each with its length before it.
async fn queries(shared: &Shared, recent: &Mutex<Recent>, mut stream: TcpStream, client: IpAddr) -> io::Result<()> {
    loop {
        let read = async {
            let mut query = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut query).await?;
            io::Result::Ok(query)
        };
        let query = tokio::time::timeout(shared.limits.hello, read).await??;
        let Some(answer) = reply(shared, recent, &query, client).await else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let packet = [length.to_be_bytes().as_slice(), &answer].concat();
        tokio::time::timeout(shared.limits.hello, stream.write_all(&packet)).await??;
    }
}

async fn reply(shared: &Shared, recent: &Mutex<Recent>, packet: &[u8], client: IpAddr) -> Option<Vec<u8>> {
    match answer::read(packet) {
        Ok(asked) => {
            if !asked.is_own(&shared.config) {
                note(shared, recent, &asked, client);
            }
            asked.answer(&shared.config, &shared.outer.names).await
        }
        Err(fault) => fault,
    }
}

/// Puts the first query for a denied name into the log.
fn note(shared: &Shared, recent: &Mutex<Recent>, asked: &answer::Asked, client: IpAddr) {
    let Some(name) = asked.name.as_ref().filter(|name| !name.is_single_label()) else { return };
    let active = shared.rules.current();
    let is_denied = !active.policy.knows(name);
    if is_denied && recent.lock().unwrap_or_else(PoisonError::into_inner).is_new(name, active.digest.as_deref()) {
        attempt(client).deny(shared, Some(name), Reason::NoRule);
    }
}

fn attempt(client: IpAddr) -> Attempt {
    Attempt::new(Plane::Dns, client, Port::DNS)
}

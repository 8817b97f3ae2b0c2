//! Accepts connections. A connection without a place in the table is closed immediately.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

use super::connection::Shared;
use super::table::Table;

/// Accepts until the gateway stops, and serves each connection in a task of its own.
pub(crate) async fn accept<F, R>(
    listener: TcpListener,
    shared: Arc<Shared>,
    table: Table,
    refuse: impl Fn(IpAddr),
    serve: F,
) where
    F: Fn(TcpStream, IpAddr) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match table.enter() {
                Some(place) => {
                    let serve = serve(stream, peer.ip());
                    let cut = shared.cut.clone();
                    shared.tasks.spawn(async move {
                        let _place = place;
                        // The planes end by themselves once they copy; this ends whatever is before that.
                        tokio::select! {
                            () = serve => {}
                            () = ended(cut) => {}
                        }
                    });
                }
                None => refuse(peer.ip()),
            },
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(shared.limits.accept_pause).await;
            }
        }
    }
}

/// A moment after the end, so that a connection that notices it first can note it.
async fn ended(cut: tokio_util::sync::CancellationToken) {
    cut.cancelled().await;
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

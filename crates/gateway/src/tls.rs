//! TLS: reads the server name of the hello, decides, and passes everything on unchanged.
//!
//! The hello is parsed by rustls, from a copy of the bytes. The handshake itself is between client and server.

use std::net::IpAddr;
use std::sync::Arc;

use moat_policy::{HostName, Port};
use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::connection::{Attempt, Denied, Shared, decide_and_copy};
use super::log::{Plane, Reason};

/// What a client has sent first.
pub(crate) struct Hello {
    pub bytes: Vec<u8>,
    pub name: HostName,
}

/// Why there is no hello.
enum NoHello {
    /// Closed before it was complete.
    Closed,
    TooLong,
    /// Not TLS, with the alert to send.
    Malformed(Vec<u8>),
}

/// The alerts of the TLS standard that the gateway sends.
#[derive(Clone, Copy)]
pub(crate) enum Alert {
    AccessDenied = 49,
    DecodeError = 50,
    InternalError = 80,
    UnrecognizedName = 112,
}

impl Alert {
    /// A record of TLS 1.2, which every version understands: type alert, level fatal.
    fn record(self) -> [u8; 7] {
        [21, 3, 3, 0, 2, 2, self as u8]
    }
}

/// Serves a connection to port 443.
pub(crate) async fn serve(shared: Arc<Shared>, mut client: TcpStream, peer: IpAddr) {
    let attempt = Attempt::new(Plane::Tls, peer, Port::TLS);
    if let Some(hello) = hello(&shared, &attempt, &mut client, Vec::with_capacity(1024)).await {
        pass(&shared, &attempt, &mut client, &hello).await;
    }
}

/// The hello of a client, whose first bytes were read; `None`: it names no host, and was refused.
pub(crate) async fn hello(shared: &Shared, attempt: &Attempt, client: &mut TcpStream, known: Vec<u8>) -> Option<Hello> {
    let read = read_hello(client, known, shared.limits.hello_bytes);
    let alert: &[u8] = match tokio::time::timeout(shared.limits.hello, read).await {
        Ok(Ok((bytes, Some(name)))) => return Some(Hello { bytes, name }),
        Ok(Ok((_, None))) => {
            attempt.deny(shared, None, Reason::NoName);
            &Alert::UnrecognizedName.record()
        }
        Ok(Err(NoHello::Malformed(alert))) => {
            attempt.deny(shared, None, Reason::Malformed);
            &alert.clone()
        }
        Ok(Err(NoHello::TooLong)) => {
            attempt.deny(shared, None, Reason::Malformed);
            &Alert::DecodeError.record()
        }
        // Port scans and health checks, which ask for no name.
        Ok(Err(NoHello::Closed)) => return None,
        Err(_) => {
            attempt.deny(shared, None, Reason::Timeout);
            return None;
        }
    };
    close_in_time(shared, client, alert).await;
    None
}

/// Passes a connection on by the name in its hello.
pub(crate) async fn pass(shared: &Shared, attempt: &Attempt, client: &mut TcpStream, hello: &Hello) {
    let alert = match decide_and_copy(shared, attempt, &hello.name, client, &hello.bytes).await {
        Ok(()) => return,
        Err(Denied::NoRule) => Alert::AccessDenied,
        Err(Denied::NoConnection(error)) if error.reason() == Reason::Address => Alert::AccessDenied,
        Err(Denied::NoConnection(_)) => Alert::InternalError,
    };
    refuse(shared, client, alert).await;
}

/// Ends a connection with an alert.
pub(crate) async fn refuse(shared: &Shared, client: &mut TcpStream, alert: Alert) {
    close_in_time(shared, client, &alert.record()).await;
}

/// A client that does not read its alert loses it.
async fn close_in_time(shared: &Shared, client: &mut TcpStream, alert: &[u8]) {
    let _ = tokio::time::timeout(shared.limits.hello, close_with(client, alert)).await;
}

/// Sends an alert, and reads what the client still sends: closing with unread bytes would reset the connection, and the
/// client might never see the alert.
async fn close_with(client: &mut TcpStream, alert: &[u8]) {
    if client.write_all(alert).await.is_err() || client.shutdown().await.is_err() {
        return;
    }
    let mut rest = [0; 1024];
    for _ in 0..UNREAD_MAX / rest.len() {
        if !matches!(client.read(&mut rest).await, Ok(1..)) {
            return;
        }
    }
}

/// Bytes that a refused client may still have under way. A client that sends more is cut.
const UNREAD_MAX: usize = 64 * 1024;

/// Reads until the hello is complete: its bytes, and the name in it.
async fn read_hello(
    client: &mut TcpStream,
    known: Vec<u8>,
    bytes_max: usize,
) -> Result<(Vec<u8>, Option<HostName>), NoHello> {
    let mut acceptor = Acceptor::default();
    let (mut bytes, mut fed) = (known, 0);
    loop {
        let mut new = &bytes[fed..];
        while !new.is_empty() {
            if acceptor.read_tls(&mut new).is_err() {
                return Err(NoHello::TooLong);
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => {
                    let name = accepted.client_hello().server_name().and_then(|name| name.parse().ok());
                    return Ok((bytes, name));
                }
                Ok(None) => {}
                Err((_, mut alert)) => {
                    let mut record = Vec::new();
                    let _ = alert.write_all(&mut record);
                    return Err(NoHello::Malformed(record));
                }
            }
        }
        fed = bytes.len();
        if fed >= bytes_max {
            return Err(NoHello::TooLong);
        }
        match client.take((bytes_max - fed) as u64).read_buf(&mut bytes).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(NoHello::Closed),
        }
    }
}

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
struct Hello {
    bytes: Vec<u8>,
    name: Option<HostName>,
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
enum Alert {
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
    let attempt = Attempt { plane: Plane::Tls, client: peer, port: Port::TLS };
    let hello = tokio::time::timeout(shared.limits.hello, read_hello(&mut client, shared.limits.hello_bytes)).await;
    let alert: &[u8] = match hello {
        Ok(Ok(Hello { bytes, name: Some(name) })) => {
            match decide_and_copy(&shared, &attempt, &name, &mut client, &bytes).await {
                Ok(()) => return,
                Err(Denied::NoRule) => &Alert::AccessDenied.record(),
                Err(Denied::NoConnection(error)) if error.reason() == Reason::Address => &Alert::AccessDenied.record(),
                Err(Denied::NoConnection(_)) => &Alert::InternalError.record(),
            }
        }
        Ok(Ok(Hello { name: None, .. })) => {
            attempt.deny(&shared, None, Reason::NoName);
            &Alert::UnrecognizedName.record()
        }
        Ok(Err(NoHello::Malformed(alert))) => {
            attempt.deny(&shared, None, Reason::Malformed);
            &alert.clone()
        }
        Ok(Err(NoHello::TooLong)) => {
            attempt.deny(&shared, None, Reason::Malformed);
            &Alert::DecodeError.record()
        }
        // Port scans and health checks, which ask for no name.
        Ok(Err(NoHello::Closed)) => return,
        Err(_) => return attempt.deny(&shared, None, Reason::Timeout),
    };
    // A client that does not read its alert loses it.
    let _ = tokio::time::timeout(shared.limits.hello, close_with(&mut client, alert)).await;
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

/// Reads until the hello is complete.
async fn read_hello(client: &mut TcpStream, bytes_max: usize) -> Result<Hello, NoHello> {
    let mut acceptor = Acceptor::default();
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if bytes.len() >= bytes_max {
            return Err(NoHello::TooLong);
        }
        let known = bytes.len();
        let room = (bytes_max - known) as u64;
        match client.take(room).read_buf(&mut bytes).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(NoHello::Closed),
        }
        let mut new = &bytes[known..];
        while !new.is_empty() {
            if acceptor.read_tls(&mut new).is_err() {
                return Err(NoHello::TooLong);
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => {
                    let name = accepted.client_hello().server_name().and_then(|name| name.parse().ok());
                    return Ok(Hello { bytes, name });
                }
                Ok(None) => {}
                Err((_, mut alert)) => {
                    let mut record = Vec::new();
                    let _ = alert.write_all(&mut record);
                    return Err(NoHello::Malformed(record));
                }
            }
        }
    }
}

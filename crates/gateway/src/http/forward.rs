//! The connection to a server, and the headers that requests and answers lose on the way.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName};
use http::{Request, Uri, Version};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use moat_policy::HostName;
use tokio_util::task::AbortOnDropHandle;

use super::body::Counted;
use crate::idle::Idle;

/// A connection to a server, kept for the next request to the same name.
pub(super) struct Upstream {
    pub name: HostName,
    pub address: IpAddr,
    pub requests: SendRequest<Counted>,
    /// Reads and writes the connection.
    _task: AbortOnDropHandle<()>,
}

/// The only protocol that a connection may change to. After `h2c`, further requests could not be read.
const UPGRADE: &str = "websocket";

/// Headers of one connection, not of the whole way.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

impl Upstream {
    /// Begins HTTP on a connection.
    pub async fn begin(stream: Idle, name: HostName, address: IpAddr) -> hyper::Result<Self> {
        let (requests, connection) = Builder::new().preserve_header_case(true).handshake(TokioIo::new(stream)).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!("a connection to a server ended: {error}");
            }
        });
        Ok(Self { name, address, requests, _task: AbortOnDropHandle::new(task) })
    }
}

/// Whether a request or an answer changes the protocol to one that may pass.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(UPGRADE.as_bytes()))
}

/// Makes a request one for the server: in origin form, without headers of the client's connection.
pub(super) fn prepare<B>(request: &mut Request<B>) {
    let is_upgrade = is_upgrade(request.headers());
    strip(request.headers_mut(), is_upgrade);
    // The gateway has answered it already.
    request.headers_mut().remove(header::EXPECT);
    *request.version_mut() = Version::HTTP_11;
    let path = request.uri().path_and_query().cloned();
    if let Some(path) = path
        && let Ok(uri) = Uri::builder().path_and_query(path).build()
    {
        *request.uri_mut() = uri;
    }
}

/// Removes the headers of one connection.
pub(crate) fn strip(headers: &mut HeaderMap, is_upgrade: bool) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // The host decides; no header may remove it.
        .filter(|name| *name != header::HOST)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    if is_upgrade {
        headers.insert(header::CONNECTION, http::HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, http::HeaderValue::from_static(UPGRADE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reaches_the_server_in_origin_form_without_headers_of_the_connection() {
        let mut request = Request::builder()
            .uri("http://a.example/x?y=1")
            .header("host", "a.example")
            .header("connection", "x-secret, host, close")
            .header("x-secret", "1")
            .header("keep-alive", "5")
            .header("upgrade", "h2c")
            .header("expect", "100-continue")
            .header("accept", "*/*")
            .body(())
            .unwrap();
        prepare(&mut request);
        assert_eq!(request.uri().to_string(), "/x?y=1");
        let left: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["host", "accept"]);
    }

    #[test]
    fn only_websocket_is_an_upgrade() {
        let with = |protocol: &str| {
            let mut request = Request::builder()
                .uri("/")
                .header("upgrade", protocol)
                .header("connection", "Upgrade")
                .body(())
                .unwrap();
            prepare(&mut request);
            request.headers().contains_key("upgrade") && request.headers().contains_key("connection")
        };
        assert!(with("WebSocket"));
        assert!(!with("h2c") && !with("websocket, h2c") && !with("TLS/1.0"));
    }
}

//! Connections to real servers, over HTTP/1.1 or HTTP/2.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::{HeaderMap, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use moat_policy::Verdict;
use tokio_util::task::AbortOnDropHandle;

use super::target::Target;
use crate::connection::Shared;
use crate::http::{Counted, is_upgrade, strip};
use crate::idle::Idle;
use crate::outer::NoConnection;

/// A connection to a server.
pub(super) struct Upstream {
    pub target: Target,
    pub tls: bool,
    pub address: IpAddr,
    requests: Requests,
    /// Reads and writes the connection until the last copy of this is dropped.
    task: Arc<AbortOnDropHandle<()>>,
}

enum Requests {
    Http1(http1::SendRequest<Counted>),
    Http2(http2::SendRequest<Counted>),
}

/// How to connect.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectOptions {
    pub tls: bool,
    /// The client speaks HTTP/2, so the server may as well.
    pub http2: bool,
}

/// Why there is no connection to a server.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoServer {
    #[error(transparent)]
    Outer(#[from] NoConnection),
    #[error("its certificate is not valid: {0}")]
    Certificate(rustls::Error),
    #[error("it cannot be used: {0}")]
    Protocol(#[from] hyper::Error),
}

/// A request that was not answered. The request itself, if nothing of it was sent.
pub(super) type Unanswered = (String, Option<Request<Counted>>);

impl Upstream {
    /// Connects to a server and verifies it.
    pub async fn connect(
        shared: &Shared,
        target: &Target,
        way: ConnectOptions,
        verdict: &Verdict<'_>,
    ) -> Result<Self, NoServer> {
        let connected = shared.outer.connect(&target.name, target.port, verdict).await?;
        let _ = connected.stream.set_nodelay(true);
        let stream = Idle::new(connected.stream, shared.limits.idle);
        let (requests, task) = if way.tls {
            let handshake = shared.roots.connect(&target.name, way.http2, stream);
            let begun = tokio::time::timeout(shared.limits.connect, handshake).await;
            let stream = begun.map_err(|_| NoConnection::Timeout)?.map_err(unusable)?;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            begin_http(TokioIo::new(stream), http2, shared).await?
        } else {
            begin_http(TokioIo::new(stream), false, shared).await?
        };
        Ok(Self { target: target.clone(), tls: way.tls, address: connected.address, requests, task: Arc::new(task) })
    }

    /// The same connection once more, if it takes several requests at a time.
    pub fn share(&self) -> Option<Self> {
        let Requests::Http2(requests) = &self.requests else { return None };
        let requests = Requests::Http2(requests.clone());
        Some(Self { target: self.target.clone(), requests, task: Arc::clone(&self.task), ..*self })
    }

    pub fn is_http2(&self) -> bool {
        matches!(self.requests, Requests::Http2(_))
    }

    pub fn is_closed(&self) -> bool {
        match &self.requests {
            Requests::Http1(requests) => requests.is_closed(),
            Requests::Http2(requests) => requests.is_closed(),
        }
    }

    /// Whether a request can be sent at once.
    pub fn is_ready(&self) -> bool {
        match &self.requests {
            Requests::Http1(requests) => requests.is_ready(),
            Requests::Http2(requests) => requests.is_ready(),
        }
    }

    /// Waits until a request can be sent.
    pub async fn ready(&mut self) -> hyper::Result<()> {
        match &mut self.requests {
            Requests::Http1(requests) => requests.ready().await,
            Requests::Http2(requests) => requests.ready().await,
        }
    }

    /// Sends a request in the form of this connection.
    pub async fn send(&mut self, mut request: Request<Counted>) -> Result<Response<Incoming>, Unanswered> {
        self.prepare(&mut request).map_err(|error| (error.to_string(), None))?;
        let sent = match &mut self.requests {
            Requests::Http1(requests) => requests.try_send_request(request).await,
            Requests::Http2(requests) => requests.try_send_request(request).await,
        };
        sent.map_err(|mut error| {
            let request = error.take_message();
            (error.into_error().to_string(), request)
        })
    }

    /// Removes what belongs to the client's connection, and names the host as the protocol does.
    fn prepare<B>(&self, request: &mut Request<B>) -> Result<(), http::Error> {
        let is_upgrade = is_upgrade(request.headers());
        let headers = request.headers_mut();
        let has_trailers = headers.get(header::TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
        strip(headers, is_upgrade && !self.is_http2());
        for name in [header::EXPECT, header::PROXY_AUTHORIZATION, header::HOST] {
            headers.remove(name);
        }
        let authority = self.authority();
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        if self.is_http2() {
            if has_trailers {
                request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
            }
            let scheme = if self.tls { "https" } else { "http" };
            *request.uri_mut() = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build()?;
            *request.version_mut() = Version::HTTP_2;
        } else {
            join_cookies(request.headers_mut());
            request.headers_mut().insert(header::HOST, HeaderValue::try_from(authority)?);
            *request.uri_mut() = Uri::try_from(path)?;
            *request.version_mut() = Version::HTTP_11;
        }
        Ok(())
    }

    fn authority(&self) -> String {
        let Target { name, port } = &self.target;
        let usual = if self.tls { moat_policy::Port::TLS } else { moat_policy::Port::HTTP };
        if *port == usual { name.to_string() } else { format!("{name}:{port}") }
    }
}

/// HTTP/2 may split what HTTP/1.1 has in one header.
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if all.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

async fn begin_http<S>(
    stream: TokioIo<S>,
    http2: bool,
    shared: &Shared,
) -> hyper::Result<(Requests, AbortOnDropHandle<()>)>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    if http2 {
        let begun = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(shared.limits.header_bytes).unwrap_or(u32::MAX))
            .handshake(stream);
        let (requests, connection) = begun.await?;
        return Ok((Requests::Http2(requests), AbortOnDropHandle::new(tokio::spawn(ended(connection)))));
    }
    let (requests, connection) = http1::Builder::new().preserve_header_case(true).handshake(stream).await?;
    Ok((Requests::Http1(requests), AbortOnDropHandle::new(tokio::spawn(ended(connection.with_upgrades())))))
}

async fn ended(connection: impl Future<Output = hyper::Result<()>>) {
    if let Err(error) = connection.await {
        tracing::debug!("a connection to a server ended: {error}");
    }
}

fn unusable(error: io::Error) -> NoServer {
    let certificate = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match certificate {
        Some(error @ rustls::Error::InvalidCertificate(_)) => NoServer::Certificate(error.clone()),
        _ => NoServer::Outer(NoConnection::Unreachable(error)),
    }
}

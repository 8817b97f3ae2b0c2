//! The HTTP client for an engine, shared by bollard and moat's own requests.
//!
//! bollard builds and parses the short requests, over this transport instead of its own, for three reasons. Its own
//! omits the version from the path, so that an engine responds in its newest version. Its errors do not distinguish
//! refused from lost connections. And moat must parse some responses itself: lists, which an unknown word must not
//! invalidate, and the raw streams of an exec.
//!
//! bollard also logs request bodies to the `log` crate at debug and trace level. Requests that may contain secrets (a
//! container's environment, files, a command, credentials) are therefore built here. Release builds also compile that
//! logging out (`release_max_level_info`), and moat does not forward the `log` crate to its tracing.
//!
//! Connections are kept alive: over TLS or ssh a new one costs far more than most calls.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use bollard::errors::Error as BollardError;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::dial::Dialer;
use super::endpoint::Endpoint;
use super::fault::Failure;
use super::version::ApiVersion;

/// The body of a request, in bollard's type.
pub(crate) type Body = Either<Full<Bytes>, StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>>;

/// The client of one engine. Cheap to clone: clones share the connections.
#[derive(Clone)]
pub(crate) struct Wire {
    client: Client<Dialer, Body>,
    dialer: Dialer,
    authority: Authority,
    /// `None` before the negotiation.
    version: Option<ApiVersion>,
}

/// How long an idle connection is kept. Longer than the pauses within a round, shorter than an engine's restart.
const KEEP_IDLE: Duration = Duration::from_secs(2);

/// bollard's timeout in seconds, longer than any call: `deadline` bounds each call.
const NO_TIMEOUT: u64 = 24 * 60 * 60;

impl Wire {
    /// # Errors
    /// If the endpoint is invalid; a message for the user.
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, String> {
        let dialer = Dialer::new(endpoint)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(KEEP_IDLE)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(endpoint.calls_in_flight())
            .build(dialer.clone());
        let host = match endpoint {
            Endpoint::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Endpoint::Tcp { host, port, .. } => format!("{host}:{port}"),
            Endpoint::Unix(_) | Endpoint::Ssh(_) => "localhost".to_owned(),
        };
        let authority = host.parse().map_err(|_| format!("`{host}` is not a valid host"))?;
        Ok(Self { client, dialer, authority, version: None })
    }

    /// The client with a negotiated `version`.
    pub(crate) fn with_version(self, version: ApiVersion) -> Self {
        Self { version: Some(version), ..self }
    }

    /// A bollard client over this transport.
    pub(crate) fn bollard(&self) -> Result<bollard::Docker, BollardError> {
        let wire = self.clone();
        bollard::Docker::connect_with_custom_transport(
            move |request: Request<Body>| {
                let wire = wire.clone();
                async move { wire.send(request).await }
            },
            Some(format!("http://{}", self.authority)),
            NO_TIMEOUT,
            bollard::API_DEFAULT_VERSION,
        )
    }

    /// The last line that ssh wrote to standard error.
    pub(crate) fn last_error_line(&self) -> Option<String> {
        self.dialer.last_error_line()
    }

    /// Sends a request, with the API version in front of its path.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, BollardError> {
        let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        let path = match self.version {
            Some(version) => versioned(&version.to_string(), path),
            None => path.to_owned(),
        };
        *request.uri_mut() =
            Uri::builder().scheme(Scheme::HTTP).authority(self.authority.clone()).path_and_query(path).build()?;
        Ok(self.client.request(request).await?)
    }
}

/// A path with the API version in front. Replaces a version that a library put there: with two of them the engine would
/// respond 404 to every request, and 404 to a removal counts as success.
fn versioned(version: &str, path: &str) -> String {
    let own = path.strip_prefix("/v").and_then(|rest| rest.split_once('/'));
    let is_version = |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('.');
    let path = match own {
        Some((first, _)) if is_version(first) => &path["/v".len() + first.len()..],
        _ => path,
    };
    format!("/v{version}{path}")
}

/// A request without a body. `path` starts with a slash; its variable parts are encoded.
pub(crate) fn plain(method: Method, path: &str) -> Result<Request<Body>, Failure> {
    Ok(Request::builder().method(method).uri(path).body(Either::Left(Full::default()))?)
}

/// A request with a JSON body.
pub(crate) fn with_json(method: Method, path: &str, body: &impl serde::Serialize) -> Result<Request<Body>, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| Failure::Unsendable(error.to_string()))?;
    with_body(method, path, "application/json", body)
}

/// A request with a body.
pub(crate) fn with_body(
    method: Method,
    path: &str,
    content_type: &'static str,
    body: Vec<u8>,
) -> Result<Request<Body>, Failure> {
    let mut request = plain(method, path)?;
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    *request.body_mut() = Either::Left(Full::from(body));
    Ok(request)
}

/// Percent-encodes a text for a path or a query: everything except letters, digits and `-._~`.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_version() {
        for (path, sent) in [
            ("/containers/json?all=true", "/v1.45/containers/json?all=true"),
            ("/v1.53/containers/json?all=true", "/v1.45/containers/json?all=true"),
            ("/v1.45/_ping", "/v1.45/_ping"),
            ("/volumes/v1.2", "/v1.45/volumes/v1.2"),
            ("/volumes", "/v1.45/volumes"),
            ("/version", "/v1.45/version"),
            ("/v", "/v1.45/v"),
            ("/", "/v1.45/"),
        ] {
            assert_eq!(versioned("1.45", path), sent, "{path}");
        }
    }

    #[test]
    fn special_characters_are_encoded() {
        assert_eq!(encoded("a-b_c.d~9"), "a-b_c.d~9");
        assert_eq!(encoded(r#"{"a":["b c/?&"]}"#), "%7B%22a%22%3A%5B%22b%20c%2F%3F%26%22%5D%7D");
        assert_eq!(encoded("ü"), "%C3%BC");
    }
}

//! The answers of the gateway itself.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use moat_policy::{HOST, HostName, Policy, Port, Rule};

use super::body::Body;
use super::host::NoHost;
use crate::outer::NoConnection;

/// The host is not allowed: names the rule that would allow it.
pub(super) fn no_rule(policy: &Policy, name: &HostName) -> Response<Body> {
    if policy.is_limited(name, Port::HTTP) {
        let text = format!(
            "moat: only some requests to `{name}` are allowed, so only programs that use the proxy of this sandbox reach it\n\
             the variable `HTTPS_PROXY` names it; nested containers and builds do not have it\n"
        );
        return answer(StatusCode::FORBIDDEN, text);
    }
    let mode = policy.mode();
    let remedy = if name.as_str() == HOST {
        format!("to allow it, add port {} to `network.host` in agent.yaml\n", Port::HTTP)
    } else {
        let rule = Rule::for_host(name, Port::HTTP);
        format!("to allow it, add this rule to `network.rules` in agent.yaml:\n  - \"{rule}\"\n")
    };
    let text = format!("moat: `{name}` is denied by the network policy of this sandbox ({mode})\n{remedy}");
    answer(StatusCode::FORBIDDEN, text)
}

/// The request has the placeholder of a credential that is for other hosts.
pub(crate) fn placeholder(name: &HostName) -> Response<Body> {
    let text = format!("moat: the request to `{name}` has the placeholder of a grant that is for other hosts\n");
    answer(StatusCode::FORBIDDEN, text)
}

pub(super) fn no_host(error: &NoHost) -> Response<Body> {
    answer(StatusCode::BAD_REQUEST, format!("moat: {error}\n"))
}

pub(crate) fn no_connection(name: &HostName, error: &NoConnection) -> Response<Body> {
    match error {
        NoConnection::Refused(address, _) => answer(
            StatusCode::FORBIDDEN,
            format!(
                "moat: `{name}` is denied: {error}\n\
                 to allow it, add this rule to `network.rules` in agent.yaml:\n  - \"{name} in {address}\"\n"
            ),
        ),
        NoConnection::Timeout => {
            answer(StatusCode::GATEWAY_TIMEOUT, format!("moat: `{name}` is allowed, but {error}\n"))
        }
        _ => answer(StatusCode::BAD_GATEWAY, format!("moat: `{name}` is allowed, but {error}\n")),
    }
}

/// The server's answer cannot be passed on.
pub(crate) fn no_answer(name: &HostName, error: &str) -> Response<Body> {
    answer(StatusCode::BAD_GATEWAY, format!("moat: `{name}` is allowed, but its answer cannot be used: {error}\n"))
}

/// The answer to the reserved name.
pub(crate) fn ready(digest: Option<&str>) -> Response<Body> {
    answer(StatusCode::OK, format!("{}\n", digest.unwrap_or("no readable rules: everything is denied")))
}

/// A short text, and the end of the connection.
pub(crate) fn answer(status: StatusCode, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

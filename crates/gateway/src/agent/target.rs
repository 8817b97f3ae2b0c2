//! The destination of a request on the agent plane. As on port 80, everything ambiguous is refused.

use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{Method, Request};
use moat_policy::{HostName, Port};

use crate::log::Reason;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub name: HostName,
    pub port: Port,
}

/// Why a request leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoTarget {
    #[error("this is a proxy: the request must name a host")]
    NoProxyRequest,
    #[error("only `http` URLs and CONNECT are possible")]
    Scheme,
    #[error("the request names no host")]
    Missing,
    #[error("the request names several hosts")]
    Unlike,
    #[error("`{0}` is not a host name; only host names are allowed, not addresses")]
    Invalid(String),
}

impl NoTarget {
    pub fn reason(&self) -> Reason {
        match self {
            Self::Missing => Reason::NoName,
            Self::Unlike => Reason::Mismatch,
            Self::NoProxyRequest | Self::Scheme | Self::Invalid(_) => Reason::Malformed,
        }
    }
}

/// The target of a CONNECT request.
pub(super) fn of_connect<B>(request: &Request<B>) -> Result<Target, NoTarget> {
    let authority = request.uri().authority().ok_or(NoTarget::Missing)?;
    let target = read(authority, None)?;
    // The Host header of CONNECT has no meaning, but must not contradict.
    hosts(request, target.port)?.iter().all(|host| *host == target).then_some(target).ok_or(NoTarget::Unlike)
}

/// The target of a request to the proxy itself: its URL has a host.
pub(super) fn of_proxy<B>(request: &Request<B>) -> Result<Target, NoTarget> {
    let authority = request.uri().authority().ok_or(NoTarget::NoProxyRequest)?;
    if request.method() == Method::CONNECT || request.uri().scheme() != Some(&Scheme::HTTP) {
        return Err(NoTarget::Scheme);
    }
    let target = read(authority, Some(Port::HTTP))?;
    if target.port == Port::TLS {
        return Err(NoTarget::Scheme);
    }
    hosts(request, Port::HTTP)?.iter().all(|host| *host == target).then_some(target).ok_or(NoTarget::Unlike)
}

/// Checks that a request in a tunnel is for the host of the tunnel.
pub(super) fn in_tunnel<B>(request: &Request<B>, tunnel: &Target) -> Result<Target, NoTarget> {
    if request.method() == Method::CONNECT {
        return Err(NoTarget::Scheme);
    }
    let mut named = hosts(request, tunnel.port)?;
    if let Some(authority) = request.uri().authority() {
        named.push(read(authority, Some(tunnel.port))?);
    }
    match named.as_slice() {
        [] => Err(NoTarget::Missing),
        all if all.iter().all(|target| target == tunnel) => Ok(tunnel.clone()),
        _ => Err(NoTarget::Unlike),
    }
}

/// The hosts of the Host headers: more than one is ambiguous even if they are equal.
fn hosts<B>(request: &Request<B>, default: Port) -> Result<Vec<Target>, NoTarget> {
    let headers: Vec<_> = request.headers().get_all(HOST).iter().collect();
    if headers.len() > 1 {
        return Err(NoTarget::Unlike);
    }
    let read = |text: &http::HeaderValue| {
        let text = String::from_utf8_lossy(text.as_bytes()).into_owned();
        let authority: Authority = text.parse().map_err(|_| NoTarget::Invalid(text))?;
        read(&authority, Some(default))
    };
    headers.into_iter().map(read).collect()
}

fn read(authority: &Authority, default: Option<Port>) -> Result<Target, NoTarget> {
    let invalid = || NoTarget::Invalid(authority.to_string());
    let (host, number) = (authority.host(), authority.port_u16());
    // No user name before the host, and no port that is no number.
    let is_plain = match number {
        Some(number) => authority.as_str() == format!("{host}:{number}"),
        None => authority.as_str() == host,
    };
    let port = match number {
        Some(number) => Port::new(number),
        None => default,
    };
    match (host.parse(), port) {
        (Ok(name), Some(port)) if is_plain => Ok(Target { name, port }),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap()
    }

    fn summary(target: Result<Target, NoTarget>) -> String {
        target.map_or_else(|error| format!("{:?}", error.reason()), |it| format!("{}:{}", it.name, it.port))
    }

    #[test]
    fn connect_names_a_host_and_a_port() {
        for (uri, hosts, expected) in [
            ("A.example:443", &["a.example:443"][..], "a.example:443"),
            ("a.example:22", &[], "a.example:22"),
            ("a.example:443", &["b.example:443"], "Mismatch"),
            ("10.0.0.1:443", &[], "Malformed"),
            ("[::1]:443", &[], "Malformed"),
            ("x@a.example:443", &[], "Malformed"),
            ("a.example:0", &[], "Malformed"),
        ] {
            assert_eq!(summary(of_connect(&request("CONNECT", uri, hosts))), expected, "{uri}");
        }
    }

    #[test]
    fn a_request_to_the_proxy_has_a_url() {
        for (uri, hosts, expected) in [
            ("http://a.example/x", &["a.example"][..], "a.example:80"),
            ("http://a.example:8080/x", &["a.example:8080"], "a.example:8080"),
            ("http://a.example/x", &[], "a.example:80"),
            ("http://a.example/x", &["b.example"], "Mismatch"),
            ("http://a.example/x", &["a.example", "a.example"], "Mismatch"),
            ("https://a.example/x", &["a.example"], "Malformed"),
            ("http://a.example:443/x", &["a.example:443"], "Malformed"),
            ("/x", &["a.example"], "Malformed"),
            ("http://a.example@b.example/", &[], "Malformed"),
        ] {
            assert_eq!(summary(of_proxy(&request("GET", uri, hosts))), expected, "{uri}");
        }
    }

    #[test]
    fn a_request_in_a_tunnel_is_for_its_host() {
        let tunnel = Target { name: "a.example".parse().unwrap(), port: Port::TLS };
        for (uri, hosts, expected) in [
            ("/x", &["A.example"][..], "a.example:443"),
            ("/x", &["a.example:443"], "a.example:443"),
            ("https://a.example/x", &[], "a.example:443"),
            ("/x", &[], "NoName"),
            ("/x", &["b.example"], "Mismatch"),
            ("/x", &["a.example:80"], "Mismatch"),
            ("https://b.example/x", &["a.example"], "Mismatch"),
            ("https://a.example/x", &["b.example"], "Mismatch"),
        ] {
            assert_eq!(summary(in_tunnel(&request("GET", uri, hosts), &tunnel)), expected, "{uri} {hosts:?}");
        }
    }
}

//! The host that a request asks for.
//!
//! Server and gateway must read the same host, so everything ambiguous is refused.

use http::header::HOST;
use http::uri::Authority;
use http::{Method, Request};
use moat_policy::{HostName, Port};

use crate::log::Reason;

/// Why a request names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoHost {
    #[error("the request has no Host header")]
    Missing,
    #[error("the request has {0} Host headers")]
    Several(usize),
    #[error("the Host header and the request line name different hosts")]
    Unlike,
    #[error("`{0}` is not a host name; only host names are allowed, not addresses")]
    Invalid(String),
    #[error("the request is for port {0}, but came to port 80")]
    OtherPort(u16),
    #[error("this is not a proxy: connect to the host itself")]
    Proxy,
}

impl NoHost {
    pub fn reason(&self) -> Reason {
        match self {
            Self::Missing => Reason::NoName,
            Self::Several(_) | Self::Unlike | Self::OtherPort(_) => Reason::Mismatch,
            Self::Invalid(_) | Self::Proxy => Reason::Malformed,
        }
    }
}

/// The host of a request to port 80.
pub(super) fn host<B>(request: &Request<B>) -> Result<HostName, NoHost> {
    if request.method() == Method::CONNECT || request.uri().scheme_str().is_some_and(|scheme| scheme != "http") {
        return Err(NoHost::Proxy);
    }
    let mut headers = request.headers().get_all(HOST).iter();
    let header = match (headers.next(), headers.count()) {
        (None, _) => return Err(NoHost::Missing),
        (Some(header), 0) => header,
        (Some(_), more) => return Err(NoHost::Several(more + 1)),
    };
    let text = String::from_utf8_lossy(header.as_bytes());
    let authority: Authority = text.parse().map_err(|_| NoHost::Invalid(text.clone().into_owned()))?;
    let name = name(&authority)?;
    match request.uri().authority() {
        Some(other) if self::name(other)? != name => Err(NoHost::Unlike),
        _ => Ok(name),
    }
}

fn name(authority: &Authority) -> Result<HostName, NoHost> {
    let invalid = || NoHost::Invalid(authority.to_string());
    // A user name before the host is no part of HTTP, and a way to hide the host. So is a port that is no number.
    let port = authority.port_u16();
    let is_plain = match port {
        Some(port) => authority.as_str() == format!("{}:{port}", authority.host()),
        None => authority.as_str() == authority.host(),
    };
    if !is_plain {
        return Err(invalid());
    }
    match port {
        Some(port) if port != Port::HTTP.number() => Err(NoHost::OtherPort(port)),
        _ => authority.host().parse().map_err(|_| invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, hosts: &[&str]) -> Result<String, NoHost> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        host(&request.body(()).unwrap()).map(|name| name.to_string())
    }

    #[test]
    fn a_single_unambiguous_host_is_accepted() {
        for (uri, header) in [
            ("/x", "example.com"),
            ("/x", "EXAMPLE.com."),
            ("/x", "example.com:80"),
            ("http://example.com/x", "example.com"),
            ("http://example.com:80/x", "Example.com"),
        ] {
            assert_eq!(of(uri, &[header]), Ok("example.com".into()), "{uri} {header}");
        }
    }

    #[test]
    fn ambiguous_hosts_are_refused() {
        use NoHost::{Invalid, Missing, OtherPort, Proxy, Several, Unlike};
        let invalid = |text: &str| Invalid(text.to_owned());
        let table: &[(&str, &[&str], NoHost)] = &[
            ("/", &[], Missing),
            ("http://a.example/", &[], Missing),
            ("/", &["a.example", "b.example"], Several(2)),
            ("/", &["a.example", "a.example"], Several(2)),
            ("http://b.example/", &["a.example"], Unlike),
            ("http://a.example@b.example/", &["a.example"], invalid("a.example@b.example")),
            ("/", &["a.example@b.example"], invalid("a.example@b.example")),
            ("/", &["a.example:8080"], OtherPort(8080)),
            ("http://a.example:81/", &["a.example"], OtherPort(81)),
            ("https://a.example/", &["a.example"], Proxy),
            ("/", &["10.0.0.1"], invalid("10.0.0.1")),
            ("/", &["[::1]"], invalid("[::1]")),
            ("/", &["a.example, b.example"], invalid("a.example, b.example")),
            ("/", &["a.example/b"], invalid("a.example/b")),
            ("/", &["a.example:"], invalid("a.example:")),
            ("/", &["a.example:080"], invalid("a.example:080")),
            ("/", &[""], invalid("")),
        ];
        for (uri, hosts, expected) in table {
            assert_eq!(of(uri, hosts).as_ref(), Err(expected), "{uri} {hosts:?}");
        }
    }
}

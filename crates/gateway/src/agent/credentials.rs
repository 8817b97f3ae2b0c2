//! The credentials in a request: those of the client are removed, and those of the gateway are added.

use http::header::{self, HeaderName};
use http::uri::PathAndQuery;
use http::{Request, Uri};
use moat_policy::GrantedHost;

/// Headers by which servers take credentials. A granted host gets none of them from a client: a token of another user
/// would carry data to his account.
const CREDENTIALS: [HeaderName; 10] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-auth-token"),
    HeaderName::from_static("x-access-token"),
    HeaderName::from_static("private-token"),
    HeaderName::from_static("x-amz-security-token"),
];

/// Removes the client's credentials from a request to a granted host.
pub(super) fn strip<B>(request: &mut Request<B>, host: &GrantedHost) {
    let own = host.format.header().parse::<HeaderName>();
    for name in own.iter().chain(&CREDENTIALS) {
        request.headers_mut().remove(name);
    }
    if let Some(uri) = without_parameters(request.uri(), &host.query) {
        *request.uri_mut() = uri;
    }
}

/// The URL without some parameters; `None`: it has none of them.
fn without_parameters(uri: &Uri, names: &[String]) -> Option<Uri> {
    let query = uri.query()?;
    let is_named = |part: &&str| {
        let name = part.split('=').next().unwrap_or_default();
        // An encoded name may be one of them.
        names.iter().any(|it| it.eq_ignore_ascii_case(name)) || (name.contains('%') && !names.is_empty())
    };
    if !query.split(['&', ';']).any(|part| is_named(&part)) {
        return None;
    }
    let rest: Vec<&str> = query.split(['&', ';']).filter(|part| !is_named(part)).collect();
    let path = if rest.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), rest.join("&")) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use moat_policy::{Case, HeaderFormat};

    use super::*;

    fn host(query: &[&str]) -> GrantedHost {
        let format = HeaderFormat::new("X-Own-Token", "{value}").unwrap();
        let requests = vec!["allow * /**".parse().unwrap()];
        let query = query.iter().map(|it| (*it).to_owned()).collect();
        GrantedHost::new("x.example".parse().unwrap(), requests, Case::Exact, format, query).unwrap()
    }

    #[test]
    fn a_client_sends_no_credential_of_its_own() {
        let mut request = Request::builder()
            .uri("/x?a=1&KEY=foreign&b=2")
            .header("AUTHORIZATION", "Bearer foreign")
            .header("authorization", "Bearer foreign")
            .header("X-OWN-token", "foreign")
            .header("Cookie", "session=foreign")
            .header("X-Api-Key", "foreign")
            .header("accept", "*/*")
            .body(())
            .unwrap();
        strip(&mut request, &host(&["key"]));
        assert_eq!(request.uri(), "/x?a=1&b=2");
        let left: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["accept"]);
    }

    #[test]
    fn only_parameters_that_are_credentials_are_removed() {
        for (uri, expected) in [
            ("/x?key=1", "/x"),
            ("/x?%6bey=1&a=2", "/x?a=2"),
            ("/x?a=1;key=2", "/x?a=1"),
            ("/x?monkey=1", "/x?monkey=1"),
            ("/x", "/x"),
        ] {
            let mut request = Request::builder().uri(uri).body(()).unwrap();
            strip(&mut request, &host(&["key"]));
            assert_eq!(request.uri(), expected, "{uri}");
        }
        let mut request = Request::builder().uri("/x?key=1").body(()).unwrap();
        strip(&mut request, &host(&[]));
        assert_eq!(request.uri(), "/x?key=1");
    }
}

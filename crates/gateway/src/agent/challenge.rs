//! The challenge by which a registry asks for a token: `Bearer realm="https://auth.example/token",service="…",scope="…"`.

use http::HeaderValue;
use http::Uri;
use http::uri::Scheme;

/// Where a token is to be had, with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub url: Uri,
}

/// The parameters that are passed on.
const PASSED: [&str; 2] = ["service", "scope"];

impl Challenge {
    /// `None`: it asks for something else, such as a password, or for a token without TLS.
    pub fn parse(header: &HeaderValue) -> Option<Self> {
        let text = header.to_str().ok()?;
        let (scheme, rest) = text.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameters = parameters(rest);
        let value = |name: &str| parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|it| &it.1);
        let realm: Uri = value("realm")?.parse().ok()?;
        if realm.scheme() != Some(&Scheme::HTTPS) {
            return None;
        }
        let mut query = form_urlencoded::Serializer::new(realm.query().unwrap_or_default().to_owned());
        for name in PASSED {
            if let Some(value) = value(name) {
                query.append_pair(name, value);
            }
        }
        let path = format!("{}?{}", realm.path(), query.finish());
        let url = Uri::builder().scheme(Scheme::HTTPS).authority(realm.authority()?.clone()).path_and_query(path);
        Some(Self { url: url.build().ok()? })
    }
}

/// `name="value", name=value`.
fn parameters(text: &str) -> Vec<(String, String)> {
    let (mut all, mut rest) = (Vec::new(), text);
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').map_or((after, ""), |(value, after)| (value.trim(), after)),
        };
        all.push((name.trim_matches([',', ' ']).to_owned(), value.to_owned()));
        rest = after;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(header: &str) -> Option<String> {
        Challenge::parse(&HeaderValue::from_str(header).unwrap()).map(|it| it.url.to_string())
    }

    #[test]
    fn a_challenge_names_the_server_of_tokens() {
        let hub = "Bearer realm=\"https://auth.example/token\",service=\"registry.example\",\
                   scope=\"repository:library/busybox:pull,push\"";
        let expected =
            "https://auth.example/token?service=registry.example&scope=repository%3Alibrary%2Fbusybox%3Apull%2Cpush";
        assert_eq!(url(hub).as_deref(), Some(expected));
        let other = "bearer service=r, realm=\"https://r.example/t?x=1\", error=\"invalid_token\"";
        assert_eq!(url(other).as_deref(), Some("https://r.example/t?x=1&service=r"));
        for none in
            ["Basic realm=\"r\"", "Bearer realm=\"http://auth.example/token\"", "Bearer service=\"r\"", "Bearer", ""]
        {
            assert_eq!(url(none), None, "{none}");
        }
    }
}

//! Placeholders of grants in requests to other hosts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Uri};
use moat_policy::{HostName, Policy};

/// Whether a request has a placeholder that belongs to another host. Some program sends a credential to the wrong place;
/// the placeholder gives no access, but the request is a mistake or an attack.
pub(crate) fn is_misplaced(policy: &Policy, name: &HostName, headers: &HeaderMap, uri: &Uri) -> bool {
    let has = |text: &[u8]| policy.has_foreign_placeholder(name, text);
    let is_foreign = |value: &http::HeaderValue| {
        let basic = value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        has(value.as_bytes()) || basic.and_then(|(_, text)| STANDARD.decode(text).ok()).is_some_and(|text| has(&text))
    };
    !policy.grants().is_empty() && (headers.values().any(is_foreign) || has(uri.to_string().as_bytes()))
}

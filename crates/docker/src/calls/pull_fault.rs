//! Explains why a pull failed, with a hint.
//!
//! Engines report the reason only in messages, their own and the registry's. The phrases are from moby, containerd and the
//! distribution specification; an unknown message is passed on.

use super::credentials::registry_of;
use crate::transport::fault::in_a_sentence;
use moat_model::engine::{Detail, EngineError, Fault};
use moat_model::resource::{ImageRef, Platform};

/// The kinds of failures that need different actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Unreachable,
    Credentials,
    /// Registries do not reveal whether a private image exists.
    Hidden,
    Missing,
    Platform,
    RateLimit,
    Disk,
    Other,
}

/// The first match counts: refused credentials are often reported as "denied" too.
const WORDS: &[(Reason, &[&str])] = &[
    (Reason::RateLimit, &["toomanyrequests", "rate limit"]),
    (Reason::Disk, &["no space left on device"]),
    (Reason::Platform, &["no matching manifest", "does not match the specified platform"]),
    (Reason::Hidden, &["pull access denied", "repository does not exist"]),
    (
        Reason::Credentials,
        &["unauthorized", "authentication required", "incorrect username", "access forbidden", "denied"],
    ),
    (Reason::Missing, &["manifest unknown", "name unknown", "not found"]),
    (
        Reason::Unreachable,
        &[
            "no such host",
            "connection refused",
            "i/o timeout",
            "deadline exceeded",
            "client.timeout exceeded",
            "tls handshake timeout",
            "network is unreachable",
            "no route to host",
            "connection reset",
            "server misbehaving",
            "http response to https client",
            "x509:",
        ],
    ),
];

/// The error with the image, the reason and a hint.
pub(crate) fn explain(reference: &ImageRef, platform: Option<&Platform>, message: &str) -> EngineError {
    let registry = registry_of(reference);
    let reason = reason(message);
    let detail = match reason {
        Reason::Hidden | Reason::Missing => Some(Detail::ImageNotFound),
        Reason::Credentials => Some(Detail::PullDenied),
        Reason::Unreachable => Some(Detail::RegistryUnreachable),
        Reason::Disk => Some(Detail::DiskFull),
        Reason::Platform | Reason::RateLimit | Reason::Other => None,
    };
    let (why, hint) = match reason {
        Reason::Unreachable => (
            format!("cannot reach the registry `{registry}`"),
            "check the network, the proxy and the registry's name".to_owned(),
        ),
        Reason::Credentials => {
            (format!("the registry `{registry}` rejected the credentials"), format!("try `docker login {registry}`"))
        }
        Reason::Hidden => (
            "the image does not exist, or is private".to_owned(),
            format!("check its name, or try `docker login {registry}`"),
        ),
        Reason::Missing => (format!("`{registry}` has no such image or tag"), "check its name".to_owned()),
        Reason::Platform => match platform {
            Some(platform) => (
                format!("it has no version for `{platform}`"),
                "choose another image, or another `platform`".to_owned(),
            ),
            None => ("it has no version for the Docker host's platform".to_owned(), "choose another image".to_owned()),
        },
        Reason::RateLimit => {
            (format!("the rate limit of `{registry}` is exceeded"), format!("wait, or try `docker login {registry}`"))
        }
        Reason::Disk => {
            ("the engine's disk is full".to_owned(), "free space, for example with `docker system prune`".to_owned())
        }
        Reason::Other => {
            let message = format!("cannot pull `{reference}`: {}", in_a_sentence(message, 500));
            return EngineError::new(Fault::Pull, message);
        }
    };
    let message = format!("cannot pull `{reference}`: {why} ({})", in_a_sentence(message, 500));
    EngineError::new(Fault::Pull, message).because(detail).hint(hint)
}

fn reason(message: &str) -> Reason {
    let message = message.to_ascii_lowercase();
    let fits = |(_, words): &&(Reason, &[&str])| words.iter().any(|words| message.contains(words));
    WORDS.iter().find(fits).map_or(Reason::Other, |(reason, _)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_recognised() {
        let table = [
            ("Get \"https://docker.io/v2/\": dial tcp: lookup docker.io: no such host", Reason::Unreachable),
            ("Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", Reason::Unreachable),
            ("Get \"https://x/v2/\": http: server gave HTTP response to HTTPS client", Reason::Unreachable),
            ("Get \"https://x/v2/\": context deadline exceeded", Reason::Unreachable),
            ("manifest for busybox:nope not found: manifest unknown: manifest unknown", Reason::Missing),
            (
                "pull access denied for nope, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
                Reason::Hidden,
            ),
            ("unauthorized: authentication required", Reason::Credentials),
            ("Head \"https://example.org/v2/a/b/manifests/c\": denied", Reason::Credentials),
            ("no matching manifest for linux/arm64/v8 in the manifest list entries", Reason::Platform),
            ("toomanyrequests: You have reached your pull rate limit", Reason::RateLimit),
            ("write /var/lib/docker/tmp/x: no space left on device", Reason::Disk),
            ("unexpected EOF", Reason::Other),
        ];
        for (message, expected) in table {
            assert_eq!(reason(message), expected, "{message}");
        }
    }

    #[test]
    fn errors_have_a_hint() {
        let reference = ImageRef::parse("box:5000/tool:1").expect("valid");
        let error = explain(&reference, None, "unauthorized: authentication required");
        assert_eq!(
            error.message,
            "cannot pull `box:5000/tool:1`: the registry `box:5000` rejected the credentials (unauthorized: authentication \
             required)"
        );
        assert_eq!(error.hint.as_deref(), Some("try `docker login box:5000`"));
        let platform = "arm64".parse().expect("a platform");
        let message = "no matching manifest for linux/arm64/v8 in the manifest list entries";
        let error = explain(&reference, Some(&platform), message);
        assert!(error.message.contains(": it has no version for `linux/arm64` (no matching"), "{error}");
        let error = explain(&reference, None, "Unexpected EOF");
        assert_eq!(error.message, "cannot pull `box:5000/tool:1`: unexpected EOF");
        assert_eq!(error.hint, None);
    }
}

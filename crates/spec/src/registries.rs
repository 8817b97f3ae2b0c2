//! Settings of registries for the Docker of a sandbox: mirrors, and certificates of CAs.
//!
//! They apply to the inner daemon and to the build sidecar.

use std::collections::BTreeMap;
use std::fmt;

use super::diagnostic::quoted;
use super::shape::Fault;

/// The registry that a daemon can have mirrors of, and the one of an image without a registry.
pub(super) const DOCKER_HUB: &str = "docker.io";

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registries {
    /// Mirrors by registry, in the order in which they are tried.
    pub mirrors: BTreeMap<String, Vec<Mirror>>,
    /// Certificates in PEM format.
    pub certificates: String,
}

/// A registry that is asked before another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// `HOST` or `HOST:PORT`.
    pub host: String,
    /// Whether it is HTTP without TLS.
    pub is_plain: bool,
}

/// What encloses a certificate in PEM format. A file may contain other blocks, such as a key, which are left out.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_plain { "http" } else { "https" };
        write!(f, "{scheme}://{}", self.host)
    }
}

/// The host of a registry, with or without a port.
pub(super) fn host(text: &str) -> Result<String, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    let message = format!("{} is not the host of a registry", quoted(text));
    Err(Fault::new(message, "write `HOST` or `HOST:PORT`, such as `docker.io`"))
}

/// `https://HOST`, `http://HOST` or `HOST`, with or without a port.
pub(super) fn mirror(text: &str) -> Result<Mirror, Fault> {
    let (is_plain, rest) = match text.split_once("://") {
        Some(("https", rest)) => (false, rest),
        Some(("http", rest)) => (true, rest),
        _ => (false, text),
    };
    let host = host(rest.trim_end_matches('/')).map_err(|_| {
        let message = format!("{} is not the address of a mirror", quoted(text));
        Fault::new(message, "write `https://HOST` or `https://HOST:PORT`, without a path")
    })?;
    Ok(Mirror { host, is_plain })
}

/// The certificates of a file.
pub(super) fn certificates(text: &str) -> Result<String, Fault> {
    let blocks = text.split(BEGIN).skip(1).filter_map(|rest| rest.split_once(END));
    let all: Vec<String> = blocks.map(|(block, _)| format!("{BEGIN}{}{END}\n", block.replace('\r', ""))).collect();
    if all.is_empty() {
        return Err(Fault::new("there is no certificate in this file", "it must be in PEM format"));
    }
    Ok(all.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_mirrors() {
        let read = |text: &str| mirror(text).map(|mirror| mirror.to_string());
        assert_eq!(read("https://mirror.test/"), Ok("https://mirror.test".to_owned()));
        assert_eq!(read("mirror.test:5000"), Ok("https://mirror.test:5000".to_owned()));
        assert_eq!(read("http://10.0.0.1:5000"), Ok("http://10.0.0.1:5000".to_owned()));
        for wrong in
            ["", "https://", "https://mirror.test/path", "ftp://mirror.test", "https://user@mirror.test", "a b"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_certificates_are_taken_from_a_file() {
        let file = format!(
            "# the CA\r\n{BEGIN}\r\nabc\r\n{END}\r\n-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n{BEGIN}\nx\n{END}"
        );
        assert_eq!(certificates(&file), Ok(format!("{BEGIN}\nabc\n{END}\n{BEGIN}\nx\n{END}\n")));
        assert!(certificates("secret").is_err());
    }
}

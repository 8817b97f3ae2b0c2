//! The proxies of docker's configuration for the steps of a build, as `docker build` passes them.
//!
//! Docker knows the names of these arguments: they are in no image and no cache key. A proxy with a user or a password is
//! left out, because every step can read it, and sandboxes write files of build contexts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The keys of docker's configuration, with the names of the variables; each is also set in lowercase.
const NAMES: [(&str, &str); 5] = [
    ("httpProxy", "HTTP_PROXY"),
    ("httpsProxy", "HTTPS_PROXY"),
    ("ftpProxy", "FTP_PROXY"),
    ("noProxy", "NO_PROXY"),
    ("allProxy", "ALL_PROXY"),
];

/// The build arguments for an engine; empty without a readable configuration.
pub(crate) fn of(engine: &str, config_dir: Option<&Path>) -> BTreeMap<String, String> {
    let text = config_dir.and_then(|dir| fs::read_to_string(dir.join("config.json")).ok());
    let config: Value = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let all = &config["proxies"];
    let own = all.get(engine).unwrap_or(&all["default"]);
    let mut args = BTreeMap::new();
    for (key, name) in NAMES {
        let Some(value) = own[key].as_str().filter(|value| !value.is_empty()) else { continue };
        if value.contains('@') {
            tracing::warn!("`{key}` of docker's configuration has credentials, and is not passed to build steps");
            continue;
        }
        args.insert(name.to_owned(), value.to_owned());
        args.insert(name.to_lowercase(), value.to_owned());
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_engine_or_else_the_default() {
        let dir = tempfile::tempdir().expect("a folder");
        let read = |engine| of(engine, Some(dir.path()));
        assert_eq!(read("unix:///a"), BTreeMap::new());
        let config = r#"{"proxies": {
            "default": {"httpProxy": "http://proxy:1", "httpsProxy": "http://me:hunter2@proxy:1", "noProxy": ""},
            "tcp://box:1": {"noProxy": "a,b"}}}"#;
        fs::write(dir.path().join("config.json"), config).expect("written");
        let pairs = |list: &[(&str, &str)]| {
            list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(read("unix:///a"), pairs(&[("HTTP_PROXY", "http://proxy:1"), ("http_proxy", "http://proxy:1")]));
        assert_eq!(read("tcp://box:1"), pairs(&[("NO_PROXY", "a,b"), ("no_proxy", "a,b")]));
        fs::write(dir.path().join("config.json"), "[").expect("written");
        assert_eq!(read("unix:///a"), BTreeMap::new());
    }
}

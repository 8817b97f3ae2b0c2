//! Docker contexts: named endpoints, from the files of `docker context`.
//!
//! Read only. The format is that of the docker CLI's `cli/context/store`: the folder of a context is the SHA-256 of
//! its name, `meta.json` has the endpoints, TLS files are in a separate folder.

use std::io;
use std::path::Path;

use serde::Deserialize;

use super::connect_error::ConnectError;
use super::endpoint::{Endpoint, Located, Origin, TlsFiles, TlsIdentity};
use super::environment::{Environment, config_dir};
use moat_model::resource::digest::sha256;

/// The part of docker's `config.json` that moat reads.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigFile {
    #[serde(default)]
    current_context: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextMeta {
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: DockerEndpoint,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEndpoint {
    #[serde(default)]
    host: String,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// The context that has no file: `DOCKER_HOST`, or else the default socket.
pub(crate) const NO_CONTEXT: &str = "default";

/// The context selected by `DOCKER_CONTEXT` or else by docker's configuration.
pub(crate) fn named(around: &impl Environment) -> Result<Option<String>, ConnectError> {
    let name = match around.variable("DOCKER_CONTEXT") {
        Some(name) => name,
        None => current(around)?,
    };
    Ok(Some(name).filter(|name| !name.is_empty() && name != NO_CONTEXT))
}

/// The endpoint of a context.
pub(crate) fn locate(name: &str, around: &impl Environment) -> Result<Located, ConnectError> {
    let refuse = |why: String, hint: &str| ConnectError {
        address: name.to_owned(),
        origin: Origin::Context(name.to_owned()),
        why,
        hint: hint.to_owned(),
    };
    let no_such = || refuse("no such context".to_owned(), "`docker context ls` lists the contexts");
    let contexts = config_dir(around).ok_or_else(no_such)?.join("contexts");
    let id = folder(name);
    let meta = match around.read(&contexts.join("meta").join(&id).join("meta.json")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_such()),
        Err(error) => return Err(refuse(error.to_string(), "check the permissions of its meta.json")),
    };
    let unreadable = |error| refuse(format!("its meta.json is invalid: {error}"), "remove it and create it again");
    let endpoint = serde_json::from_str::<ContextMeta>(&meta).map_err(unreadable)?.endpoints.docker;
    if endpoint.skip_tls_verify {
        return Err(refuse(
            "it disables the verification of the engine".to_owned(),
            "moat always verifies the engine; create the context with `ca` and without `skip-tls-verify`",
        ));
    }
    let tls = tls_files(&contexts.join("tls").join(&id).join("docker"), around);
    let endpoint =
        Endpoint::parse(&endpoint.host, tls).map_err(|why| refuse(why, "`docker context update` changes it"))?;
    Ok(Located { endpoint, origin: Origin::Context(name.to_owned()) })
}

/// The folder of a context: the SHA-256 of its name.
pub(crate) fn folder(name: &str) -> String {
    sha256(name)
}

fn current(around: &impl Environment) -> Result<String, ConnectError> {
    let Some(path) = config_dir(around).map(|dir| dir.join("config.json")) else { return Ok(String::new()) };
    let refuse = |why: String| ConnectError {
        address: path.display().to_string(),
        origin: Origin::Default,
        why,
        hint: "fix the file, or set --host or DOCKER_HOST, which do not need it".to_owned(),
    };
    match around.read(&path) {
        Ok(text) => match serde_json::from_str::<ConfigFile>(&text) {
            Ok(config) => Ok(config.current_context),
            Err(error) => Err(refuse(format!("cannot read docker's configuration: {error}"))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(refuse(format!("cannot read docker's configuration: {error}"))),
    }
}

/// The TLS files of a context; `None` means plain TCP.
fn tls_files(dir: &Path, around: &impl Environment) -> Option<TlsFiles> {
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| dir.join(name));
    let has_identity = around.exists(&cert) || around.exists(&key);
    let files =
        TlsFiles { ca: around.exists(&ca).then_some(ca), identity: has_identity.then_some(TlsIdentity { cert, key }) };
    (files.ca.is_some() || files.identity.is_some()).then_some(files)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::transport::environment::FakeEnv;

    /// An environment with a context `box` and the given TLS files.
    fn with_context(meta: &str, tls: &[&str]) -> FakeEnv {
        let id = folder("box");
        let contexts = PathBuf::from("/d/contexts");
        let mut around = FakeEnv::default();
        around.variables.insert("DOCKER_CONFIG".to_owned(), "/d".to_owned());
        around.files.insert(contexts.join("meta").join(&id).join("meta.json"), meta.to_owned());
        for file in tls {
            around.files.insert(contexts.join("tls").join(&id).join("docker").join(file), String::new());
        }
        around
    }

    const TCP: &str = r#"{"Name":"box","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://box","SkipTLSVerify":false}},"Storage":{}}"#;

    #[test]
    fn tls_files_select_tls() {
        let located = locate("box", &with_context(TCP, &["ca.pem", "cert.pem", "key.pem"])).expect("a context");
        let Endpoint::Tcp { port: 2376, tls: Some(tls), .. } = located.endpoint else { panic!("{located:?}") };
        assert!(tls.ca.is_some_and(|ca| ca.ends_with("docker/ca.pem")));
        assert!(tls.identity.is_some());

        let located = locate("box", &with_context(TCP, &[])).expect("a context");
        assert!(matches!(located.endpoint, Endpoint::Tcp { port: 2375, tls: None, .. }));
    }

    #[test]
    fn tls_variables_do_not_apply_to_contexts() {
        let mut around = with_context(TCP, &[]);
        around.variables.insert("DOCKER_TLS_VERIFY".to_owned(), "1".to_owned());
        let located = locate("box", &around).expect("a context");
        assert!(matches!(located.endpoint, Endpoint::Tcp { tls: None, .. }));
    }

    #[test]
    fn an_unusable_context_is_reported_with_its_reason() {
        let skip = TCP.replace("false", "true");
        let table = [
            (skip.as_str(), "disables the verification"),
            ("{", "is invalid"),
            (r#"{"Endpoints":{}}"#, "is invalid"),
            (r#"{"Endpoints":{"docker":{"Host":"ftp://x"}}}"#, "`ftp`"),
        ];
        for (meta, why) in table {
            let error = locate("box", &with_context(meta, &[])).expect_err(meta);
            assert!(error.why.contains(why), "{meta}: {error}");
        }
    }

    #[test]
    fn no_configuration_means_no_context() {
        let mut around = FakeEnv::default();
        assert_eq!(named(&around).expect("nothing to read"), None);
        around.variables.insert("HOME".to_owned(), "/h".to_owned());
        assert_eq!(named(&around).expect("nothing to read"), None);
        around.files.insert("/h/.docker/config.json".into(), r#"{"auths":{}}"#.to_owned());
        assert_eq!(named(&around).expect("no context in it"), None);
        around.files.insert("/h/.docker/config.json".into(), "nonsense".to_owned());
        assert!(named(&around).expect_err("invalid").to_string().contains("/h/.docker/config.json"));
    }
}

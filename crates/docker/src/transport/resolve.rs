//! Resolves the engine's endpoint, in docker's own order.
//!
//! `--host` or `--context`, then `DOCKER_HOST`, then the docker context, then the default sockets. Reads files and variables only
//! through [`Environment`], and does not connect.

use std::path::{Path, PathBuf};

use super::connect_error::ConnectError;
use super::docker_context::{self, NO_CONTEXT};
use super::endpoint::{Endpoint, Located, Origin, TlsFiles, TlsIdentity};
use super::environment::{Environment, config_dir};

/// The socket of an engine that runs as root.
const SYSTEM_SOCKET: &str = "/var/run/docker.sock";

/// The engine that a user asks for on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// `--host`.
    Address(&'a str),
    /// `--context`.
    Context(&'a str),
    /// Neither.
    Nothing,
}

/// Resolves the endpoint of the engine.
///
/// # Errors
/// If the address is invalid, or the docker context or its files are missing.
pub fn resolve(asked: Asked<'_>, around: &impl Environment) -> Result<Located, ConnectError> {
    match asked {
        Asked::Address(address) => return written(address, Origin::Flag, around),
        Asked::Context(name) if name != NO_CONTEXT => return docker_context::locate(name, around),
        Asked::Context(_) | Asked::Nothing => {}
    }
    if let Some(address) = around.variable("DOCKER_HOST") {
        return written(&address, Origin::Variable("DOCKER_HOST"), around);
    }
    let context = if asked == Asked::Nothing { docker_context::named(around)? } else { None };
    match context {
        Some(context) => docker_context::locate(&context, around),
        None => Ok(Located { endpoint: default_socket(around), origin: Origin::Default }),
    }
}

fn written(address: &str, origin: Origin, around: &impl Environment) -> Result<Located, ConnectError> {
    let tls = if uses_tls(around) { Some(tls_files(around)) } else { None };
    match Endpoint::parse(address, tls) {
        Ok(endpoint) => Ok(Located { endpoint, origin }),
        Err(why) => Err(ConnectError {
            address: address.to_owned(),
            origin,
            why,
            hint: "use unix:///path, tcp://host:port or ssh://user@host".to_owned(),
        }),
    }
}

/// Docker reads any text in `DOCKER_TLS_VERIFY` as yes, even `0`. `DOCKER_TLS` means TLS without verification; moat
/// uses TLS and verifies.
fn uses_tls(around: &impl Environment) -> bool {
    around.variable("DOCKER_TLS_VERIFY").is_some() || around.variable("DOCKER_TLS").is_some()
}

fn tls_files(around: &impl Environment) -> TlsFiles {
    let dir = around.variable("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| config_dir(around)).unwrap_or_default();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let has_identity = around.exists(&cert) || around.exists(&key);
    // The certificate of an engine is nearly always signed by its owner, so that the system's authorities prove
    // nothing. `ca.pem` is named even if it is missing; its absence is an error later.
    TlsFiles { ca: Some(dir.join("ca.pem")), identity: has_identity.then_some(TlsIdentity { cert, key }) }
}

/// The system's socket, or the user's if only that one exists.
fn default_socket(around: &impl Environment) -> Endpoint {
    let system = PathBuf::from(SYSTEM_SOCKET);
    if around.exists(&system) {
        return Endpoint::Unix(system);
    }
    let rootless = around.variable("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("docker.sock"));
    Endpoint::Unix(rootless.filter(|path| around.exists(path)).unwrap_or(system))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::environment::FakeEnv;

    fn around(variables: &[(&str, &str)], files: &[(&str, &str)]) -> FakeEnv {
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let files = files.iter().map(|(k, v)| (PathBuf::from(k), (*v).to_owned())).collect();
        FakeEnv { variables, files }
    }

    fn box_meta() -> String {
        format!("/h/.docker/contexts/meta/{}/meta.json", docker_context::folder("box"))
    }

    /// Flag, variables, files; address and origin.
    type Row<'a> = (Asked<'a>, &'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)], &'a str, Origin);

    #[test]
    fn the_most_specific_setting_wins() {
        let meta = box_meta();
        let context: &[(&str, &str)] = &[
            ("/h/.docker/config.json", r#"{"currentContext":"box","auths":{}}"#),
            (&meta, r#"{"Name":"box","Endpoints":{"docker":{"Host":"tcp://box:1","SkipTLSVerify":false}}}"#),
        ];
        let named = |name: &str| Origin::Context(name.to_owned());
        let table: &[Row<'_>] = &[
            (Asked::Address("tcp://flag:1"), &[("DOCKER_HOST", "tcp://env:1")], context, "tcp://flag:1", Origin::Flag),
            (
                Asked::Nothing,
                &[("DOCKER_HOST", "tcp://env:1"), ("DOCKER_CONTEXT", "box"), ("HOME", "/h")],
                context,
                "tcp://env:1",
                Origin::Variable("DOCKER_HOST"),
            ),
            (
                Asked::Nothing,
                &[("DOCKER_HOST", ""), ("DOCKER_CONTEXT", "box"), ("HOME", "/h")],
                context,
                "tcp://box:1",
                named("box"),
            ),
            (Asked::Nothing, &[("HOME", "/h")], context, "tcp://box:1", named("box")),
            (Asked::Nothing, &[("HOME", "/x"), ("DOCKER_CONFIG", "/h/.docker")], context, "tcp://box:1", named("box")),
            (
                Asked::Context("box"),
                &[("DOCKER_HOST", "tcp://env:1"), ("HOME", "/h")],
                context,
                "tcp://box:1",
                named("box"),
            ),
            (
                Asked::Context("default"),
                &[("HOME", "/h"), ("DOCKER_CONTEXT", "box")],
                context,
                "unix:///var/run/docker.sock",
                Origin::Default,
            ),
            (
                Asked::Context("default"),
                &[("HOME", "/h"), ("DOCKER_HOST", "tcp://env:1")],
                context,
                "tcp://env:1",
                Origin::Variable("DOCKER_HOST"),
            ),
            (
                Asked::Nothing,
                &[("HOME", "/h"), ("DOCKER_CONTEXT", "default")],
                context,
                "unix:///var/run/docker.sock",
                Origin::Default,
            ),
            (Asked::Nothing, &[("HOME", "/h")], &[], "unix:///var/run/docker.sock", Origin::Default),
            (Asked::Nothing, &[], &[], "unix:///var/run/docker.sock", Origin::Default),
            (
                Asked::Nothing,
                &[("XDG_RUNTIME_DIR", "/run/user/7")],
                &[("/run/user/7/docker.sock", "")],
                "unix:///run/user/7/docker.sock",
                Origin::Default,
            ),
            (
                Asked::Nothing,
                &[("XDG_RUNTIME_DIR", "/run/user/7")],
                &[("/run/user/7/docker.sock", ""), ("/var/run/docker.sock", "")],
                "unix:///var/run/docker.sock",
                Origin::Default,
            ),
        ];
        for (flag, variables, files, address, origin) in table {
            let located = resolve(*flag, &around(variables, files)).expect(address);
            assert_eq!((located.endpoint.to_string().as_str(), &located.origin), (*address, origin), "{variables:?}");
        }
    }

    #[test]
    fn tls_variables_apply_to_tcp() {
        let files: &[(&str, &str)] = &[("/c/cert.pem", ""), ("/c/key.pem", "")];
        let asked =
            around(&[("DOCKER_HOST", "tcp://b"), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/c")], files);
        let Endpoint::Tcp { port, tls: Some(tls), .. } = resolve(Asked::Nothing, &asked).expect("an address").endpoint
        else {
            panic!("not TLS")
        };
        assert_eq!(port, 2376);
        assert_eq!(tls.ca, Some("/c/ca.pem".into()));
        assert_eq!(tls.identity.map(|i| i.key), Some("/c/key.pem".into()));

        let unasked = around(&[("DOCKER_HOST", "tcp://b"), ("DOCKER_CERT_PATH", "/c")], files);
        let plain = resolve(Asked::Nothing, &unasked).expect("an address").endpoint;
        assert!(matches!(plain, Endpoint::Tcp { port: 2375, tls: None, .. }), "{plain}");
    }

    #[test]
    fn an_error_names_the_source_of_the_address() {
        let wrong = around(&[("DOCKER_HOST", "http://b")], &[]);
        let error = resolve(Asked::Nothing, &wrong).expect_err("no such scheme");
        assert_eq!(
            error.to_string(),
            "cannot use docker at `http://b` (from DOCKER_HOST): unknown scheme `http`; use unix, tcp or ssh"
        );
        let missing = around(&[("DOCKER_CONTEXT", "gone"), ("HOME", "/h")], &[]);
        let error = resolve(Asked::Nothing, &missing).expect_err("no such context");
        assert_eq!(error.to_string(), "cannot use docker at `gone` (from the docker context `gone`): no such context");
        assert!(error.hint.contains("docker context ls"), "{}", error.hint);
    }
}

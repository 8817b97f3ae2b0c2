//! The negotiation of the version, and the errors for a missing engine.

use std::sync::Arc;

use moat_docker::{Docker, Endpoint, Located, Origin, ProcessEnv, TlsFiles, TlsIdentity};
use moat_model::engine::{Engine, Filter};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use testkit::changes::Changes;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::fake::{Fake, Reply, serve};

fn ping(version: &str) -> Reply {
    Reply::Bytes(format!("HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nContent-Length: 2\r\n\r\nOK").into_bytes())
}

#[tokio::test]
async fn every_path_but_the_first_has_the_version() {
    let table = [("1.45", "/v1.45/"), ("1.41", "/v1.41/"), ("1.99", "/v1.51/")];
    for (engine, prefix) in table {
        let fake = Fake::start(move |request| match request.line.as_str() {
            "GET /_ping" => Some(ping(engine)),
            line if line.contains("/volumes") => Some(Reply::Json(200, r#"{"Volumes":null}"#.to_owned())),
            _ => Some(Reply::Json(204, String::new())),
        });
        let docker = fake.connect().await;
        docker.volumes(&Filter::Ours).await.expect("a list of our own making");
        docker.start(&moat_model::resource::ContainerId::new("c1")).await.expect("a call of bollard's making");
        let lines: Vec<_> = fake.seen().into_iter().map(|request| request.line).collect();
        assert_eq!(lines[0], "GET /_ping");
        assert_eq!(lines[1], format!("GET {prefix}volumes?filters=%7B%22label%22%3A%5B%22moat.run%22%5D%7D"));
        assert_eq!(lines[2], format!("POST {prefix}containers/c1/start"));
        assert_eq!(lines.len(), 3);
    }
}

#[tokio::test]
async fn a_proxy_that_strips_headers_costs_one_more_request() {
    let fake = Fake::start(|request| match request.line.as_str() {
        "GET /_ping" => Some(Reply::Json(200, String::new())),
        "GET /version" => Some(Reply::Json(200, r#"{"ApiVersion":"1.44","Version":"25"}"#.to_owned())),
        _ => None,
    });
    assert_eq!(fake.connect().await.api_version().to_string(), "1.44");
}

async fn refused(fake: &Fake) -> (String, String) {
    let error = Docker::connect_to(fake.located(), &ProcessEnv).await.err().expect("no engine for us");
    (error.to_string().replace(&fake.socket().display().to_string(), "S"), error.hint)
}

#[tokio::test]
async fn an_unusable_engine_is_reported_with_the_reason() {
    let old = Fake::start(|_| Some(ping("1.40")));
    let (error, hint) = refused(&old).await;
    assert_eq!(
        error,
        "cannot use docker at `unix://S` (from --host): its API version is 1.40, and moat needs 1.41 or later"
    );
    assert_eq!(hint, "use docker 20.10 or newer");

    let no_engine = Fake::start(|_| Some(Reply::Json(200, "<html>".to_owned())));
    let (error, _) = refused(&no_engine).await;
    assert!(error.contains("cannot read the engine's response"), "{error}");

    let cut = Fake::start(|_| Some(Reply::Bytes(Vec::new())));
    let (error, _) = refused(&cut).await;
    assert!(error.contains("connection closed"), "{error}");

    let forbidden = Fake::start(|_| Some(Reply::Json(403, r#"{"message":"Access denied by policy."}"#.to_owned())));
    let (error, _) = refused(&forbidden).await;
    assert!(error.ends_with("(from --host): access denied by policy"), "{error}");
}

#[tokio::test]
async fn an_engine_that_is_too_new_is_reported() {
    let fake = Fake::start(|request| {
        if request.line == "GET /_ping" {
            Some(ping("1.60"))
        } else {
            let message =
                "client version 1.51 is too old. Minimum supported API version is 1.55, please upgrade your client";
            Some(Reply::Json(400, format!(r#"{{"message":"{message}"}}"#)))
        }
    });
    let error = fake.connect().await.networks(&Filter::Ours).await.expect_err("too new");
    assert_eq!(error.message, "the engine no longer supports API version 1.51, the newest that this moat supports");
    assert_eq!(error.hint.as_deref(), Some("install a newer version of moat"));
}

#[tokio::test]
async fn a_silent_engine_times_out() {
    let silent = Fake::start(|_| Some(Reply::Stall(Vec::new())));
    tokio::time::pause();
    let (error, _) = refused(&silent).await;
    assert!(error.ends_with("the engine did not respond to `ping` within 10 s"), "{error}");
}

#[tokio::test]
async fn a_missing_engine_is_reported_with_the_addresses_tried() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = dir.path().join("docker.sock");
    let to = |endpoint: Endpoint| Docker::connect_to(Located { endpoint, origin: Origin::Default }, &ProcessEnv);
    let error = to(Endpoint::Unix(missing.clone())).await.err().expect("nothing there");
    assert_eq!(error.why, "no such file or directory");
    assert_eq!(error.hint, "start Docker, or set its address with --host or DOCKER_HOST");

    drop(std::os::unix::net::UnixListener::bind(&missing).expect("a socket"));
    let error = to(Endpoint::Unix(missing)).await.err().expect("no listener");
    assert_eq!(error.why, "connection refused");
    assert!(error.hint.contains("group `docker`"), "{}", error.hint);

    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    let error =
        to(Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: free, tls: None }).await.err().expect("no listener");
    assert_eq!(error.why, "connection refused");
    assert!(error.hint.contains("DOCKER_TLS_VERIFY"), "{}", error.hint);
}

/// Certificates of one authority, in the files that docker uses.
struct Authority {
    dir: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let key = || KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("an authority");
        let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).expect("written");
        write("ca.pem", issuer.pem());
        for (name, host) in [("server-", "127.0.0.1"), ("", "client")] {
            let own = key();
            let params = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
            write(&format!("{name}cert.pem"), params.signed_by(&own, &issuer).expect("signed").pem());
            write(&format!("{name}key.pem"), own.serialize_pem());
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// An engine behind TLS that accepts clients with certificates of this authority; returns its port.
    async fn engine(&self) -> u16 {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).expect("a certificate")).expect("trusted");
        let clients =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(clients.build().expect("a verifier"))
            .with_single_cert(
                vec![CertificateDer::from_pem_file(self.path("server-cert.pem")).expect("a certificate")],
                PrivateKeyDer::from_pem_file(self.path("server-key.pem")).expect("a key"),
            )
            .expect("a configuration");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                tokio::spawn(serve(stream, Arc::default(), Arc::new(|_: &_| Some(ping("1.45")))));
            }
        });
        port
    }
}

#[tokio::test]
async fn tls_authenticates_both_sides() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let port = ours.engine().await;
    let connect = async |ca: &Authority, identity: Option<&Authority>| {
        let identity = identity.map(|by| TlsIdentity { cert: by.path("cert.pem"), key: by.path("key.pem") });
        let tls = Some(TlsFiles { ca: Some(ca.path("ca.pem")), identity });
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port, tls };
        Docker::connect_to(Located { endpoint, origin: Origin::Flag }, &ProcessEnv)
            .await
            .map(|docker| docker.api_version())
    };
    assert_eq!(connect(&ours, Some(&ours)).await.map(|version| version.to_string()).as_deref(), Ok("1.45"));

    let impostor = connect(&theirs, Some(&ours)).await.expect_err("not signed by whom we trust");
    assert!(impostor.why.contains("invalid peer certificate"), "{impostor}");
    assert!(impostor.hint.contains("`ca.pem`"), "{}", impostor.hint);
    for stranger in [connect(&ours, Some(&theirs)).await, connect(&ours, None).await] {
        stranger.expect_err("the engine does not know us");
    }
}

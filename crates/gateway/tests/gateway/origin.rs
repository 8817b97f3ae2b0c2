//! A real server of the internet for the agent plane: HTTP/1.1 and HTTP/2 over TLS, with a certificate of an authority of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// What a server has seen of a request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub line: String,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

pub struct Origin {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    /// Lets the answer to `/events` end.
    pub go_on: Arc<Notify>,
    /// A folder of git repositories to serve.
    pub repositories: Repositories,
}

pub type Repositories = Arc<Mutex<Option<PathBuf>>>;

/// An authority for servers.
pub struct Root {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Root {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A server with a certificate for a name.
    pub async fn serve(&self, name: &str, protocols: &[&str]) -> Origin {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, go_on): (Arc<Mutex<Vec<Seen>>>, Arc<Notify>) = (Arc::default(), Arc::default());
        let (noted, gate) = (Arc::clone(&seen), Arc::clone(&go_on));
        let repositories = Repositories::default();
        let served_folder = Arc::clone(&repositories);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen, gate) = (acceptor.clone(), Arc::clone(&noted), Arc::clone(&gate));
                let folder = Arc::clone(&served_folder);
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    let service = service_fn(move |request| {
                        answer(request, Arc::clone(&seen), Arc::clone(&gate), Arc::clone(&folder))
                    });
                    let stream = TokioIo::new(stream);
                    if is_http2 {
                        let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        let _ = served.serve_connection(stream, service).await;
                    } else {
                        let served = hyper::server::conn::http1::Builder::new();
                        let _ = served.serve_connection(stream, service).with_upgrades().await;
                    }
                });
            }
        });
        Origin { address, seen, go_on, repositories }
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn answer(
    mut request: Request<Incoming>,
    seen: Arc<Mutex<Vec<Seen>>>,
    gate: Arc<Notify>,
    repositories: Repositories,
) -> Result<Response<Body>, Infallible> {
    let line = format!("{:?} {} {}", request.version(), request.method(), request.uri());
    let (headers, path) = (request.headers().clone(), request.uri().path().to_owned());
    let (method, query) = (request.method().to_string(), request.uri().query().unwrap_or_default().to_owned());
    let upgrade = headers.contains_key("upgrade").then(|| hyper::upgrade::on(&mut request));
    let body = if *request.method() == Method::POST {
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default()
    } else {
        Bytes::new()
    };
    seen.lock().unwrap().push(Seen { line, headers: headers.clone(), body: body.clone() });
    if let Some(upgrade) = upgrade {
        tokio::spawn(async move {
            let Ok(upgraded) = upgrade.await else { return };
            let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        });
        let response = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
        return Ok(response.body(full("")).unwrap());
    }
    if path == "/events" {
        let events = stream::unfold(0, move |count| {
            let gate = Arc::clone(&gate);
            async move {
                match count {
                    0 => {}
                    1 => gate.notified().await,
                    _ => return None,
                }
                Some((Ok(Frame::data(Bytes::from(format!("data: {count}\n\n")))), count + 1))
            }
        });
        return Ok(Response::new(StreamBody::new(events).boxed_unsync()));
    }
    let folder = repositories.lock().unwrap().clone();
    if let Some(folder) = folder {
        return Ok(git(&folder, &method, &path, &query, &headers, &body).await);
    }
    if let Some(response) = registry(&path, &headers) {
        return Ok(response);
    }
    let status = if path == "/expired" { 401 } else { 200 };
    let response = Response::builder().status(status).header("set-cookie", "session=of-the-credential");
    Ok(response.body(full(format!("answer to {path} with {} bytes", body.len()))).unwrap())
}

/// A registry that wants a token and keeps its files elsewhere, and the server of its tokens.
fn registry(path: &str, headers: &http::HeaderMap) -> Option<Response<Body>> {
    if path == "/token" {
        return Some(Response::new(full(r#"{"token":"of-nobody"}"#)));
    }
    if path == "/large" {
        return Some(Response::new(full(vec![b'a'; 3_000_000])));
    }
    let rest = path.strip_prefix("/v2/")?;
    let response = Response::builder().header("set-cookie", "session=of-the-registry");
    let has_token = headers.get("authorization").is_some_and(|it| it == "Bearer of-nobody");
    if !has_token || rest.starts_with("owned/") {
        let challenge = "Bearer realm=\"https://auth.example/token\",service=\"r\",scope=\"repository:app:pull\"";
        return Some(response.status(401).header("www-authenticate", challenge).body(full("")).unwrap());
    }
    let location = match rest.rsplit_once("/blobs/")?.1 {
        "private" => "https://private.example/file",
        "address" => "https://203.0.113.1/file",
        "plain" => "http://cdn.example/file",
        "large" => "https://cdn.example/large",
        "limited" => "https://limited.example/file",
        "host" => "https://host.docker.internal/file",
        "own" => "https://ready.moat.internal/file",
        "label" => "https://postgres/file",
        "port" => "https://cdn.example:8443/file",
        "user" => "https://me@cdn.example/file",
        "loop" => path,
        _ => "https://cdn.example/file?signature=1",
    };
    Some(response.status(307).header("location", location).body(full("elsewhere")).unwrap())
}

/// Git's own server, as a CGI program.
async fn git(
    folder: &Path,
    method: &str,
    path: &str,
    query: &str,
    headers: &http::HeaderMap,
    body: &[u8],
) -> Response<Body> {
    let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let mut program = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "me")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = program.stdin.take().unwrap();
    let body = body.to_vec();
    tokio::spawn(async move { input.write_all(&body).await });
    let output = program.wait_with_output().await.unwrap().stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let mut response = Response::builder();
    for line in String::from_utf8(output[..end].to_vec()).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = match name {
            "Status" => response.status(value.split(' ').next().unwrap()),
            name => response.header(name, value),
        };
    }
    response.body(full(output[end + 4..].to_vec())).unwrap()
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

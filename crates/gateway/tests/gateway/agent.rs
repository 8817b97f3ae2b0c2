//! The agent plane: the proxy, and rules for requests.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use moat_gateway::{Request as Control, Status, ask};
use moat_policy::{Entry, Mode, Policy, Rule};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::origin::{Origin, Root};
use super::servers::{self, connector, server_name};
use super::world::{World, limits, read_all, summary};

/// A policy of rules, and of rules for requests: `HOST: REQUESTS`.
pub fn rules(mode: Mode, rules: &[&str]) -> Policy {
    let rule = |text: &&str| match text.split_once(": ") {
        Some((host, requests)) => Rule::with_requests(host, &requests.split(", ").collect::<Vec<_>>()).unwrap(),
        None => text.parse().unwrap(),
    };
    Policy::new(mode, rules.iter().map(|it| Entry::from(&rule(it))).collect(), Vec::new()).unwrap()
}

pub async fn world(policy: &Policy, root: &Root) -> World {
    World::with(Some(policy), limits(), |config| config.roots.clone_from(&root.pem)).await
}

impl World {
    pub async fn status(&self) -> Status {
        ask(self.state.path(), &Control::Status).await.unwrap()
    }

    /// Asks the proxy for a tunnel, and returns its answer.
    pub async fn connect(&self, authority: &str) -> (String, TcpStream) {
        let mut stream = TcpStream::connect(self.gateway.proxy()).await.unwrap();
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        let head = String::from_utf8(head).unwrap();
        if !head.starts_with("HTTP/1.1 200 ") {
            let rest = read_all(&mut stream).await;
            return (head + &rest, stream);
        }
        (head, stream)
    }

    /// TLS in a tunnel, with a client that trusts the gateway only.
    pub async fn agent(&self, name: &str, protocols: &[&str]) -> TlsStream<TcpStream> {
        self.agent_with(name, protocols, &self.status().await.authority).await
    }

    /// The same with the certificate of an authority, in PEM.
    async fn agent_with(&self, name: &str, protocols: &[&str], authority: &str) -> TlsStream<TcpStream> {
        let (head, stream) = self.connect(&format!("{name}:443")).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config)).connect(server_name(name), stream).await.unwrap()
    }

    /// A request in a tunnel of its own.
    pub async fn ask(&self, request: Request<Full<Bytes>>) -> (StatusCode, String) {
        let name = request.headers()["host"].to_str().unwrap().to_owned();
        let stream = self.agent(&name, &["http/1.1"]).await;
        text(send_http1(stream, request).await).await
    }
}

pub async fn send_http1(stream: TlsStream<TcpStream>, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let (mut requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    requests.send_request(request).await.unwrap()
}

pub async fn text(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

pub fn get(name: &str, path: &str) -> Request<Full<Bytes>> {
    Request::builder().uri(path).header("host", name).body(Full::default()).unwrap()
}

async fn api(list: &[&str]) -> (World, Origin) {
    let root = Root::new();
    let world = world(&rules(Mode::Strict, list), &root).await;
    let origin = root.serve("api.example", &["h2", "http/1.1"]).await;
    world.host("api.example", "203.0.113.1:443", origin.address);
    (world, origin)
}

#[tokio::test]
async fn an_allowed_request_passes_and_all_others_are_denied() {
    let (world, origin) = api(&["api.example: allow GET /x/**, deny * /y, allow POST /y/*"]).await;
    let (status, body) = world.ask(get("api.example", "/x/a?q=1")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "answer to /x/a with 0 bytes"));
    for path in ["/", "/y", "/z", "/x/../z", "/x/%2e%2e/z", "/X/a"] {
        let (status, body) = world.ask(get("api.example", path)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        assert!(body.starts_with("moat: "), "{body}");
    }
    let seen = origin.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].line, "HTTP/1.1 GET /x/a?q=1");
    assert_eq!(seen[0].headers["host"], "api.example");
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    let rule = "api.example: allow GET /x/**, deny * /y, allow POST /y/*";
    assert_eq!(log[0], format!("agent api.example:443 GET /x/a allow {rule}"));
    assert_eq!(log[1], format!("agent api.example:443 GET /x/a allow {rule} 0/27"));
    assert_eq!(log[2], "agent api.example:443 GET / deny request");
}

#[tokio::test]
async fn http2_is_used_on_both_sides_if_the_client_requests_it() {
    let (world, origin) = api(&["api.example: allow * /x/**"]).await;
    let stream = world.agent("api.example", &["h2"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (requests, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let send = |method: &str, path: String| {
        let mut requests = requests.clone();
        let body = Full::new(Bytes::from(vec![b'a'; if method == "POST" { 200_000 } else { 0 }]));
        let uri = format!("https://api.example{path}");
        let request = Request::builder().method(method).uri(uri).body(body).unwrap();
        async move { text(requests.send_request(request).await.unwrap()).await }
    };
    let all = (0..20).map(|number| send("POST", format!("/x/{number}")));
    for (number, (status, body)) in futures_util::future::join_all(all).await.into_iter().enumerate() {
        assert_eq!((status, body), (StatusCode::OK, format!("answer to /x/{number} with 200000 bytes")));
    }
    assert_eq!(send("GET", "/z".into()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(send("GET", "/x/".into()).await.0, StatusCode::OK, "the connection goes on after a denial");
    let seen = origin.seen.lock().unwrap().clone();
    assert!(seen.iter().all(|it| it.line.starts_with("HTTP/2.0 ")), "{seen:?}");
    assert!(seen[..20].iter().all(|it| it.body.iter().all(|byte| *byte == b'a')));
    assert_eq!(seen.last().unwrap().line, "HTTP/2.0 GET https://api.example/x/");
}

#[tokio::test]
async fn an_http2_client_reaches_an_http1_server() {
    let root = Root::new();
    let world = world(&rules(Mode::Strict, &["old.example: allow GET /**"]), &root).await;
    let origin = root.serve("old.example", &["http/1.1"]).await;
    world.host("old.example", "203.0.113.1:443", origin.address);
    let stream = world.agent("old.example", &["h2"]).await;
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (requests, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let all = (0..5).map(|number| {
        let uri = format!("https://old.example/{number}");
        let request = Request::builder().uri(uri).header("cookie", "a=1").header("cookie", "b=2");
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let mut requests = requests.clone();
        async move { text(requests.send_request(request).await.unwrap()).await }
    });
    for (status, _) in futures_util::future::join_all(all).await {
        assert_eq!(status, StatusCode::OK);
    }
    let seen = origin.seen.lock().unwrap().clone();
    assert!(seen.iter().all(|it| it.line.starts_with("HTTP/1.1 GET /") && it.headers["host"] == "old.example"));
    assert!(seen.iter().all(|it| it.headers["cookie"] == "a=1; b=2"), "{seen:?}");
}

#[tokio::test]
async fn the_transparent_planes_refuse_hosts_of_the_agent_plane() {
    let (world, _) = api(&["**.example", "api.example: allow GET /**"]).await;
    let answer = world.say("GET / HTTP/1.1\r\nHost: api.example\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("HTTPS_PROXY"), "{answer}");
    let any = servers::tls("any.example").await;
    let error = connector(&any.certificate).connect(server_name("api.example"), world.tls().await).await.unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    world.assert_nothing_got_out();
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert_eq!(log, ["http api.example:80 deny agent-plane", "tls api.example:443 deny agent-plane"]);
}

#[tokio::test]
async fn other_hosts_pass_undecrypted() {
    let (world, _) = api(&["api.example: allow GET /**", "good.example", "git.example:22", "in.example"]).await;
    let server = servers::tls("good.example").await;
    world.host("good.example", "203.0.113.2:443", server.address);
    world.host("git.example", "203.0.113.3:22", servers::echo().await);
    world.name("in.example", "10.0.0.1".parse().unwrap());
    let (_, stream) = world.connect("good.example:443").await;
    let mut stream = connector(&server.certificate).connect(server_name("good.example"), stream).await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'p');
    let (_, mut stream) = world.connect("git.example:22").await;
    stream.write_all(b"SSH").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'S');
    // A name in the hello that is not the one of the tunnel.
    let (_, stream) = world.connect("good.example:443").await;
    assert!(connector(&server.certificate).connect(server_name("api.example"), stream).await.is_err());
    let (_, stream) = world.connect("in.example:443").await;
    assert!(connector(&server.certificate).connect(server_name("in.example"), stream).await.is_err());
    for (authority, status) in [
        ("evil.example:443", "403"),
        ("api.example:22", "403"),
        ("denied.moat.internal:443", "403"),
        ("10.0.0.1:443", "400"),
        ("good.example:22", "403"),
    ] {
        let (answer, _) = world.connect(authority).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{authority}: {answer}");
    }
    let dialled = world.internet.dialled.lock().unwrap().clone();
    assert_eq!(dialled, ["203.0.113.2:443", "203.0.113.3:22"].map(|it| it.parse().unwrap()));
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert!(log.contains(&"agent api.example:443 deny mismatch".to_owned()), "{log:?}");
    assert!(log.contains(&"agent in.example:443 deny in.example address".to_owned()), "{log:?}");
}

#[tokio::test]
async fn a_request_in_a_tunnel_is_for_its_host_only() {
    let (world, origin) = api(&["api.example: allow GET /**", "other.example: allow GET /**"]).await;
    let stream = world.agent("api.example", &["http/1.1"]).await;
    let (status, body) = text(send_http1(stream, get("other.example", "/")).await).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let mut request = get("api.example", "/");
    for header in ["x-http-method-override", "X-Original-URL", "proxy-authorization", "x-other"] {
        request.headers_mut().insert(http::HeaderName::try_from(header).unwrap(), "x".parse().unwrap());
    }
    assert_eq!(world.ask(request).await.0, StatusCode::OK);
    let seen = origin.seen.lock().unwrap().clone();
    let names: Vec<&str> = seen[0].headers.keys().map(http::HeaderName::as_str).collect();
    assert!(seen.len() == 1 && names == ["x-other", "host"], "{seen:?}");
}

#[tokio::test]
async fn a_server_that_does_not_prove_to_be_the_host_gets_no_request() {
    let (world, _) = api(&["*.example: allow GET /**"]).await;
    let (other, root) = (Root::new(), Root::new());
    let unknown = other.serve("unknown.example", &["http/1.1"]).await;
    world.host("unknown.example", "203.0.113.8:443", unknown.address);
    let wrong = root.serve("unknown.example", &["http/1.1"]).await;
    world.host("wrong.example", "203.0.113.9:443", wrong.address);
    for (name, origin) in [("unknown.example", unknown), ("wrong.example", wrong)] {
        let (status, body) = world.ask(get(name, "/")).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert!(body.contains("certificate"), "{body}");
        assert!(origin.seen.lock().unwrap().is_empty());
    }
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert_eq!(log[0], "agent unknown.example:443 GET / allow *.example: allow GET /** certificate");
}

#[tokio::test]
async fn an_event_stream_is_not_buffered_and_ends_with_its_rule() {
    for protocol in ["http/1.1", "h2"] {
        let (world, origin) = api(&["api.example: allow GET /**"]).await;
        let stream = world.agent("api.example", &[protocol]).await;
        let mut response = if protocol == "h2" {
            let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
            let (mut requests, connection) = handshake.await.unwrap();
            tokio::spawn(connection);
            let request = Request::builder().uri("https://api.example/events").body(Full::<Bytes>::default()).unwrap();
            requests.send_request(request).await.unwrap()
        } else {
            send_http1(stream, get("api.example", "/events")).await
        };
        let mut event = async || {
            let frame = response.frame().await;
            frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default()).map_err(drop))
        };
        // The server has not finished.
        assert_eq!(event().await, Some(Ok(Bytes::from("data: 0\n\n"))));
        world.set(&rules(Mode::Strict, &["api.example: allow GET /other"])).await;
        assert_eq!(event().await, Some(Err(())), "{protocol}: cut");
        origin.go_on.notify_one();
        let log: Vec<String> = world.log().await.iter().map(summary).collect();
        let last = log.last().unwrap();
        assert!(last.ends_with("allow api.example: allow GET /** revoked 0/9"), "{protocol}: {last}");
    }
}

#[tokio::test]
async fn an_exchange_allowed_by_new_rules_continues() {
    let (world, origin) = api(&["api.example: allow GET /**"]).await;
    let mut response = send_http1(world.agent("api.example", &[]).await, get("api.example", "/events")).await;
    response.frame().await.unwrap().unwrap();
    world.set(&rules(Mode::Strict, &["api.example: allow GET /events"])).await;
    origin.go_on.notify_one();
    let (status, rest) = text(response).await;
    assert_eq!((status, rest.as_str()), (StatusCode::OK, "data: 1\n\n"));
}

#[tokio::test]
async fn a_websocket_passes() {
    let (world, _) = api(&["api.example: allow GET /ws"]).await;
    let mut request = get("api.example", "/ws");
    request.headers_mut().insert("connection", "Upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    let mut response = send_http1(world.agent("api.example", &["http/1.1"]).await, request).await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut socket = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
    socket.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
}

#[tokio::test]
async fn a_request_with_a_url_is_decided_like_one_on_port_80() {
    let (world, _) = api(&["api.example: allow GET /x", "good.example"]).await;
    let server = servers::http("plain").await;
    world.host("api.example", "203.0.113.1:80", server.address);
    world.host("good.example", "203.0.113.1:80", server.address);
    let say = async |request: &str| {
        let mut stream = TcpStream::connect(world.gateway.proxy()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    };
    for (request, expected) in [
        ("GET http://api.example/x", "HTTP/1.1 200 "),
        ("GET http://good.example/y", "HTTP/1.1 200 "),
        ("GET http://api.example/y", "HTTP/1.1 403 "),
        ("POST http://api.example/x", "HTTP/1.1 403 "),
        ("GET http://evil.example/", "HTTP/1.1 403 "),
        ("GET https://good.example/", "HTTP/1.1 400 "),
        ("GET http://ready.moat.internal/", "HTTP/1.1 200 "),
        ("GET /x", "HTTP/1.1 400 "),
    ] {
        let host = request.split('/').nth(2).unwrap_or("good.example");
        let answer = say(&format!("{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(expected), "{request}: {answer}");
    }
    let heads = server.heads.lock().unwrap().clone();
    assert!(heads.len() == 2 && heads[0].starts_with("GET /x HTTP/1.1\r\n"), "{heads:?}");
}

#[tokio::test]
async fn a_program_that_runs_trusts_the_gateway_after_a_restart() {
    let (world, _) = api(&["api.example: allow GET /**"]).await;
    let first = world.status().await.authority;
    let world = world.restart().await;
    let stream = world.agent_with("api.example", &["http/1.1"], &first).await;
    let (status, _) = text(send_http1(stream, get("api.example", "/x")).await).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_refusal_leaves_a_client_time_to_send_its_body() {
    let (world, _) = api(&["api.example: allow GET /x/**"]).await;
    let stream = world.agent("api.example", &["h2"]).await;
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut requests, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let (sender, mut chunks) = mpsc::channel::<Bytes>(1);
    let chunks = futures_util::stream::poll_fn(move |context| chunks.poll_recv(context));
    let body = StreamBody::new(chunks.map(|chunk| Ok::<_, Infallible>(Frame::data(chunk))));
    let request = Request::post("https://api.example/y").body(body).unwrap();
    let (status, _) = text(requests.send_request(request).await.unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    // More than the windows of the stream and the connection together.
    for number in 0..200 {
        let sent = sender.send(Bytes::from(vec![b'a'; 16 * 1024])).await;
        assert!(sent.is_ok(), "the stream was reset before chunk {number}");
    }
}

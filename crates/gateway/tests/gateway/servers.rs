//! Servers of the internet: they end with the runtime of their test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A TLS server that sends everything back, and its certificate.
pub struct TlsServer {
    pub address: SocketAddr,
    pub certificate: CertificateDer<'static>,
}

/// An HTTP server that notes the heads of requests.
pub struct HttpServer {
    pub address: SocketAddr,
    pub heads: Arc<Mutex<Vec<String>>>,
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// A TCP server that sends everything back.
pub async fn echo() -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let _ = copy(&mut reader, &mut writer).await;
                let _ = writer.shutdown().await;
            });
        }
    });
    address
}

pub async fn tls(name: &str) -> TlsServer {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.clone()], key).expect("a key");
    let (listener, address) = listen().await;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let (mut reader, mut writer) = split(stream);
                let _ = copy(&mut reader, &mut writer).await;
                let _ = writer.shutdown().await;
            });
        }
    });
    TlsServer { address, certificate }
}

/// A client that trusts only the given certificate.
pub fn connector(certificate: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

pub fn server_name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).expect("a name")
}

/// Answers each request with a line of its own.
pub async fn http(text: &'static str) -> HttpServer {
    let (listener, address) = listen().await;
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, text, Arc::clone(&noted)));
        }
    });
    HttpServer { address, heads }
}

/// Without bodies of requests: what follows a head is the next request.
async fn answer(mut stream: TcpStream, text: &str, heads: Arc<Mutex<Vec<String>>>) {
    let mut read = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut read).await {
        while let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(read.drain(..end + 4).collect()).expect("text");
            let is_upgrade = head.to_lowercase().contains("\r\nupgrade: websocket");
            heads.lock().unwrap().push(head);
            if is_upgrade {
                let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
                let _ = stream.write_all(head.as_bytes()).await;
                let (mut reader, mut writer) = stream.split();
                let _ = copy(&mut reader, &mut writer).await;
                let _ = writer.shutdown().await;
                return;
            }
            let answer = format!("HTTP/1.1 200 OK\r\nX-Case: Kept\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }
}

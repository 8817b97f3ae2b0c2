//! A fake engine that answers with the bytes of a test, and records the requests.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use moat_docker::{Docker, Endpoint, Located, Origin, ProcessEnv};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;

/// A received request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET /v1.45/containers/json?all=1`
    pub line: String,
    /// In lower case, `name: value`.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

/// The answer of the fake engine.
pub enum Reply {
    /// A status and a JSON body.
    Json(u16, String),
    /// Sends these bytes and closes the connection.
    Bytes(Vec<u8>),
    /// Sends these bytes, and then nothing.
    Stall(Vec<u8>),
    /// Takes the connection over and sends these bytes.
    Hijack(Vec<u8>),
    /// Takes the connection over, reads to the end of the input, and sends its length as a frame.
    Count,
}

type Answer = dyn Fn(&Request) -> Option<Reply> + Send + Sync;

/// A running fake. Ends with the test's runtime.
pub struct Fake {
    dir: tempfile::TempDir,
    seen: Arc<Mutex<Vec<Request>>>,
}

pub const UPGRADED: &str = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

impl Fake {
    /// Answers each request with `answer`; without one, a ping gets the version 1.45, and others a 404.
    pub fn start(answer: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let fake = Self { dir: tempfile::tempdir().expect("a directory"), seen: Arc::default() };
        let listener = UnixListener::bind(fake.socket()).expect("a socket");
        let (seen, answer): (_, Arc<Answer>) = (Arc::clone(&fake.seen), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen), Arc::clone(&answer)));
            }
        });
        fake
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    pub fn located(&self) -> Located {
        Located { endpoint: Endpoint::Unix(self.socket()), origin: Origin::Flag }
    }

    pub async fn connect(&self) -> Docker {
        Docker::connect_to(self.located(), &ProcessEnv).await.expect("the fake answers a ping")
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last request.
    pub fn last(&self) -> Request {
        self.seen().pop().expect("a request")
    }
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// Serves one connection of any kind until it is closed.
pub async fn serve(stream: impl AsyncRead + AsyncWrite, seen: Arc<Mutex<Vec<Request>>>, answer: Arc<Answer>) {
    let mut stream = BufReader::new(Box::pin(stream));
    while let Some(request) = read_request(&mut stream).await {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let reply = answer(&request).unwrap_or_else(|| otherwise(&request));
        match reply {
            Reply::Json(status, body) => {
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                if stream.write_all(head.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Bytes(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Reply::Stall(bytes) => {
                let _ = stream.write_all(&bytes).await;
                std::future::pending::<()>().await;
            }
            Reply::Hijack(bytes) => {
                let _ = stream.write_all(&[UPGRADED.as_bytes(), &bytes].concat()).await;
                return;
            }
            Reply::Count => {
                let _ = stream.write_all(UPGRADED.as_bytes()).await;
                let mut input = Vec::new();
                let _ = stream.read_to_end(&mut input).await;
                let _ = stream.write_all(&frame(1, input.len().to_string().as_bytes())).await;
                return;
            }
        }
    }
}

/// Output in an engine's frame.
pub fn frame(channel: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    [&[channel, 0, 0, 0], &length[..], payload].concat()
}

fn otherwise(request: &Request) -> Reply {
    if request.line == "GET /_ping" {
        return Reply::Bytes(b"HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nContent-Length: 2\r\n\r\nOK".to_vec());
    }
    Reply::Json(404, r#"{"message":"page not found"}"#.to_owned())
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("a head in ASCII");
    let mut lines = head.trim_end().lines();
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let header = |line: &str| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
        None => line.to_owned(),
    };
    let mut request = Request { line, headers: lines.map(header).collect(), body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

//! An empty engine that refuses every change, for commands that only read.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock};
use std::thread;

use serde_json::json;
use tempfile::TempDir;

/// It answers as long as this lives, and longer: the thread ends with the test's process.
pub struct EmptyEngine {
    dir: TempDir,
}

/// Status and body of the answer to the first line of a request.
type Reply = Arc<dyn Fn(&str) -> (&'static str, &'static str) + Send + Sync>;

impl EmptyEngine {
    pub fn start() -> Self {
        Self::answering(reply)
    }

    /// An engine in a virtual machine of this one.
    pub fn in_a_virtual_machine() -> Self {
        Self::answering(|request| match request {
            _ if request.contains("/info") => ("200 OK", "{\"KernelVersion\":\"6.6.0-vm\"}"),
            _ => reply(request),
        })
    }

    /// An engine on this machine.
    pub fn with_this_kernel() -> Self {
        static INFO: LazyLock<String> = LazyLock::new(|| {
            let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux");
            format!("{{\"KernelVersion\":\"{}\"}}", kernel.trim())
        });
        Self::answering(|request| match request {
            _ if request.contains("/info") => ("200 OK", &INFO),
            _ => reply(request),
        })
    }

    /// An engine with a volume of the sandbox `builder-1f2e3d4c`, and nothing else.
    pub fn with_a_volume() -> Self {
        const VOLUME: &str = r#"{"Volumes":[{"Name":"moat-builder-1f2e3d4c-data","Driver":"local","Mountpoint":"/","Scope":"local","Labels":{"moat.run":"builder-1f2e3d4c","moat.agent":"builder","moat.spec":"/elsewhere/agent.yaml","moat.resource":"volume/data","moat.hash":"1","moat.config":"{}"}}]}"#;
        Self::answering(|request| match request {
            _ if request.contains("/volumes") => ("200 OK", VOLUME),
            _ => reply(request),
        })
    }

    /// An engine with a volume of this sandbox of the agent `builder`, and nothing else.
    pub fn with_a_volume_of(run: &str, spec: &Path) -> Self {
        let labels = json!({
            "moat.run": run, "moat.agent": "builder", "moat.spec": spec, "moat.resource": "volume/data",
            "moat.hash": "1", "moat.config": "{}",
        });
        let name = format!("moat-{run}-data");
        let volume = json!({"Name": name, "Driver": "local", "Mountpoint": "/", "Scope": "local", "Labels": labels});
        // Tests are few and end soon.
        let volumes: &'static str = json!({ "Volumes": [volume] }).to_string().leak();
        Self::answering(move |request| match request {
            _ if request.contains("/volumes") => ("200 OK", volumes),
            _ => reply(request),
        })
    }

    /// The address of a TCP port that leads to this engine.
    pub fn tcp(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let socket = self.dir.path().join("docker.sock");
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let engine = UnixStream::connect(&socket).expect("the engine");
                let (mut requests, mut to) = (client.try_clone().expect("a stream"), engine.try_clone().expect("one"));
                thread::spawn(move || io::copy(&mut requests, &mut to));
                let (mut answers, mut client) = (engine, client);
                thread::spawn(move || {
                    let _ = io::copy(&mut answers, &mut client);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        format!("tcp://{address}")
    }

    /// An engine with every image, on which every address range is in use without being listed.
    pub fn without_addresses() -> Self {
        Self::answering(|request| match request {
            _ if request.contains("/images/") => ("200 OK", "{\"Id\":\"sha256:1\"}"),
            _ if request.contains("/networks/create") => {
                ("403 Forbidden", "{\"message\":\"Pool overlaps with other one on this address space\"}")
            }
            _ => reply(request),
        })
    }

    fn answering(reply: impl Fn(&str) -> (&'static str, &'static str) + Send + Sync + 'static) -> Self {
        let reply: Reply = Arc::new(reply);
        let dir = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(dir.path().join("docker.sock")).expect("a socket");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let reply = Arc::clone(&reply);
                thread::spawn(move || answer(&stream, &reply));
            }
        });
        Self { dir }
    }

    /// An engine that never answers requests about containers; it reports the first one.
    pub fn silent() -> (Self, Receiver<()>) {
        let dir = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(dir.path().join("docker.sock")).expect("a socket");
        let (asked, when_asked) = channel();
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().flatten() {
                let request = head(&stream);
                if request.contains("/_ping") {
                    // Otherwise the connection would be reused.
                    let answer =
                        "HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK";
                    let _ = (&stream).write_all(answer.as_bytes());
                } else {
                    let _ = asked.send(());
                    held.push(stream);
                }
            }
        });
        (Self { dir }, when_asked)
    }

    pub fn address(&self) -> String {
        format!("unix://{}/docker.sock", self.dir.path().display())
    }
}

/// The first line of a request, once all of it has come: a socket that is closed with something unread in it takes
/// the answer with it.
fn head(stream: &UnixStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    let _ = reader.read_line(&mut first);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        line.clear();
    }
    let _ = reader.read_exact(&mut vec![0; length]);
    first
}

fn answer(mut stream: &UnixStream, reply: &Reply) {
    let first = head(stream);
    let (status, body) = reply(&first);
    let head = format!("HTTP/1.1 {status}\r\nApi-Version: 1.45\r\nContent-Type: application/json\r\n");
    let _ = write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
}

fn reply(request: &str) -> (&'static str, &'static str) {
    let path = request.strip_prefix("GET ").unwrap_or_default();
    let path = path.strip_prefix("/v1.45").unwrap_or(path);
    match path {
        _ if path.starts_with("/_ping") => ("200 OK", "OK"),
        _ if path.starts_with("/containers/json")
            || path.starts_with("/networks?")
            || path.starts_with("/networks ") =>
        {
            ("200 OK", "[]")
        }
        _ if path.starts_with("/volumes") => ("200 OK", "{\"Volumes\":[]}"),
        _ if path.starts_with("/images/") => ("404 Not Found", "{\"message\":\"no such image\"}"),
        _ => ("500 Internal Server Error", "{\"message\":\"this engine only answers\"}"),
    }
}

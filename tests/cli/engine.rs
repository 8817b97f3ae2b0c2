//! An engine that has nothing, and refuses every change: enough for all that only looks.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use tempfile::TempDir;

/// It answers as long as this lives, and longer: the thread ends with the test's process.
pub struct Empty {
    dir: TempDir,
}

impl Empty {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(dir.path().join("docker.sock")).expect("a socket");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || answer(&stream));
            }
        });
        Self { dir }
    }

    /// One that answers no question about containers; it tells when it has been asked one.
    pub fn silent() -> (Self, Receiver<()>) {
        let dir = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(dir.path().join("docker.sock")).expect("a socket");
        let (asked, when_asked) = channel();
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().flatten() {
                let mut first = String::new();
                let _ = BufReader::new(&stream).read_line(&mut first);
                if first.contains("/_ping") {
                    let _ = (&stream).write_all(b"HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nContent-Length: 2\r\n\r\nOK");
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

fn answer(mut stream: &UnixStream) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    if reader.read_line(&mut first).is_err() {
        return;
    }
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
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

//! Minimal HTTP with the engine: one connection for each request.
//!
//! A connection over a unix socket costs some microseconds, so that keep-alive would gain nothing.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::Value;

use crate::Outcome;

/// An engine behind a unix socket.
#[derive(Clone)]
pub struct Engine {
    pub path: PathBuf,
}

impl Engine {
    pub fn from_environment() -> Outcome<Self> {
        let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let path = host.strip_prefix("unix://").ok_or("DOCKER_HOST must name a unix socket for the race")?;
        Ok(Self { path: path.into() })
    }

    /// Sends a request, and returns the body of the response. An error status is an error.
    pub fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Outcome<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.path)?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\
             Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let Some(Message { first_line, body, .. }) = Message::read(&answer, 0) else {
            return Err(format!("{method} {path}: no response").into());
        };
        match first_line.split(' ').nth(1) {
            Some(status) if status.starts_with('2') => Ok(body),
            _ => Err(format!("{method} {path}: {first_line} {}", String::from_utf8_lossy(&body)).into()),
        }
    }

    /// Sends a request with JSON; the response is JSON or empty.
    pub fn json(&self, method: &str, path: &str, body: &[u8]) -> Outcome<Value> {
        let answer = self.ask(method, path, "application/json", body)?;
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer)? })
    }
}

/// A request or response.
#[derive(Debug)]
pub struct Message {
    pub first_line: String,
    pub body: Vec<u8>,
    /// The offset of the next message.
    pub end: usize,
    /// A request for a raw stream.
    pub upgrades: bool,
}

impl Message {
    /// Parses the message at `start`; `None` if it is incomplete.
    pub fn read(bytes: &[u8], start: usize) -> Option<Self> {
        let rest = bytes.get(start..)?;
        let head_end = find(rest, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&rest[..head_end]).into_owned();
        let mut lines = head.split("\r\n");
        let first_line = lines.next()?.to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_lowercase()))
            .collect();
        let header = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let body_start = head_end + 4;
        let (body, length) = if header("transfer-encoding") == Some("chunked") {
            chunks(&rest[body_start..])?
        } else if let Some(length) = header("content-length") {
            let length = length.parse().ok()?;
            (rest.get(body_start..body_start + length)?.to_vec(), length)
        } else if header("connection") == Some("close") && first_line.starts_with("HTTP") {
            // Without a length, to the end of the connection.
            (rest[body_start..].to_vec(), rest.len() - body_start)
        } else {
            (Vec::new(), 0)
        };
        let upgrades = header("upgrade").is_some();
        Some(Self { first_line, body, end: start + body_start + length, upgrades })
    }
}

/// Decodes a chunked body, and returns its encoded length.
fn chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = find(&bytes[at..], b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..at + line]).ok()?.trim(), 16).ok()?;
        let from = at + line + 2;
        body.extend_from_slice(bytes.get(from..from + size)?);
        at = from + size + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

//! A socket in front of the engine's that records every call: requests are counted here,
//! independent of moat's own log.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use crate::engine::engine;

/// Records as long as the process lives; its socket is removed with it.
pub struct Recorder {
    dir: TempDir,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// One request, without the version of the interface and without its query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub method: String,
    pub path: String,
}

impl Recorder {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(dir.path().join("docker.sock")).expect("a socket");
        let calls = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&calls);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let calls = Arc::clone(&heard);
                // The client reports a broken connection.
                thread::spawn(move || pass_on(client, &calls).ok());
            }
        });
        Self { dir, calls }
    }

    /// The value for `--host`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// The calls since the last time, sorted: they are made at the same time, in no order.
    pub fn take(&self) -> Vec<Call> {
        let mut calls = std::mem::take(&mut *self.calls.lock().expect("no panic in between"));
        calls.sort();
        calls
    }
}

impl Call {
    pub fn changes(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    fn parse(head: &str) -> Option<Self> {
        let mut words = head.lines().next()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let path = target.split('?').next()?;
        let versioned = path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
        Some(Self { method: method.to_owned(), path: versioned.unwrap_or(path).to_owned() })
    }
}

/// The maximum length of a request's head.
const HEAD_MAX: usize = 64 * 1024;

/// Passes one request on, and then bytes both ways until both sides are done.
///
/// The engine is asked to close the connection after its answer, so that no second request can come on it unseen;
/// one that wants to change the protocol is left as it is.
fn pass_on(mut client: UnixStream, calls: &Mutex<Vec<Call>>) -> io::Result<()> {
    let mut received = Vec::new();
    let mut chunk = [0; 8192];
    let end = loop {
        if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        let n = client.read(&mut chunk)?;
        if n == 0 || received.len() > HEAD_MAX {
            return Ok(());
        }
        received.extend_from_slice(&chunk[..n]);
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let call = Call::parse(&head).unwrap_or_else(|| panic!("not a request: {head}"));
    calls.lock().expect("no panic in between").push(call);

    let mut server = UnixStream::connect(engine().socket())?;
    server.write_all(last_of_its_connection(&head).as_bytes())?;
    server.write_all(&received[end..])?;
    let (mut answer, mut back) = (server.try_clone()?, client.try_clone()?);
    let answering = thread::spawn(move || {
        io::copy(&mut answer, &mut back).ok();
        back.shutdown(Shutdown::Both).ok();
    });
    io::copy(&mut client, &mut server).ok();
    server.shutdown(Shutdown::Write).ok();
    answering.join().ok();
    Ok(())
}

fn last_of_its_connection(head: &str) -> String {
    let is = |line: &str, name: &str| line.split(':').next().is_some_and(|it| it.eq_ignore_ascii_case(name));
    if head.lines().any(|line| is(line, "upgrade")) {
        return head.to_owned();
    }
    let mut lines: Vec<&str> = head.split("\r\n").filter(|line| !is(line, "connection")).collect();
    lines.push("Connection: close");
    lines.join("\r\n")
}

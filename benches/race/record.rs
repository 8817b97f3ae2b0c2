//! Records moat's requests with a proxy.
//!
//! The direct calls derive from these, so that both create the same sandbox.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use crate::Outcome;
use crate::process::Moat;
use crate::socket::{Engine, Message};

/// The requests of an apply that the others need.
pub struct Recording {
    /// The number of requests of an apply.
    pub apply: usize,
    /// The number of requests of an apply without changes.
    pub again: usize,
    pub requests: Vec<Exchange>,
}

/// A request and its response.
#[derive(Debug)]
pub struct Exchange {
    pub method: String,
    /// With version and query.
    pub path: String,
    pub body: Vec<u8>,
    /// Null if it is not JSON.
    pub answer: Value,
    /// What followed after an upgrade to a raw stream.
    pub raw: Vec<u8>,
}

impl Exchange {
    /// Whether a creation is that of the sidecar, whose container's name contains `buildkit`.
    pub fn is_for_sidecar(&self) -> bool {
        self.path.contains("buildkit")
    }

    /// Whether it is that of the gateway of a network policy.
    pub fn is_for_gateway(&self) -> bool {
        self.path.contains("moat-gateway")
    }
}

/// Both directions of one connection.
type Capture = Arc<[Mutex<Vec<u8>>; 2]>;

/// Runs an apply twice through the proxy, and destroys.
pub fn apply(moat: &Moat, engine: &Engine, folder: &Path) -> Outcome<Recording> {
    // The first apply may have to pull images, which must not be recorded.
    moat.run(&["apply"])?;
    moat.run(&["destroy", "--volumes", "--yes"])?;
    let (first, second) = (folder.join("first.sock"), folder.join("second.sock"));
    let (first, second) = (listen(&first, engine)?, listen(&second, engine)?);
    moat.through(&folder.join("first.sock")).run(&["apply"])?;
    moat.through(&folder.join("second.sock")).run(&["apply"])?;
    moat.run(&["destroy", "--volumes", "--yes"])?;
    let requests = exchanges(&first);
    Ok(Recording { apply: requests.len(), again: exchanges(&second).len(), requests })
}

impl Recording {
    /// The requests whose path contains `part`.
    pub fn with(&self, method: &str, part: &str) -> Vec<&Exchange> {
        self.requests.iter().filter(|it| it.method == method && it.path.contains(part)).collect()
    }
}

/// Forwards connections to the engine, and records the bytes.
fn listen(path: &Path, engine: &Engine) -> Outcome<Arc<Mutex<Vec<Capture>>>> {
    let listener = UnixListener::bind(path)?;
    let tapes = Arc::new(Mutex::new(Vec::new()));
    let (engine, kept) = (engine.clone(), Arc::clone(&tapes));
    thread::spawn(move || -> Outcome<()> {
        for client in listener.incoming() {
            let (client, server) = (client?, UnixStream::connect(&engine.path)?);
            let tape: Capture = Arc::default();
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&tape));
            let (back_from, back_to) = (server.try_clone()?, client.try_clone()?);
            let back = Arc::clone(&tape);
            thread::spawn(move || copy(client, server, &tape[0]));
            thread::spawn(move || copy(back_from, back_to, &back[1]));
        }
        Ok(())
    });
    Ok(tapes)
}

fn copy(mut from: UnixStream, mut to: UnixStream, tape: &Mutex<Vec<u8>>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        tape.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // One side may close its direction and still read.
    let _ = to.shutdown(Shutdown::Write);
}

/// All requests by connection, and the client's raw stream after an upgrade.
fn exchanges(tapes: &Mutex<Vec<Capture>>) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    for tape in tapes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let [said, heard] = tape.as_ref();
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut request_at, mut answer_at) = (0, 0);
        while let Some(request) = Message::read(&said, request_at) {
            let answer = Message::read(&heard, answer_at);
            let mut words = request.first_line.split(' ').map(str::to_owned);
            let (Some(method), Some(path)) = (words.next(), words.next()) else { break };
            request_at = request.end;
            answer_at = answer.as_ref().map_or(heard.len(), |answer| answer.end);
            let answer = answer.and_then(|it| serde_json::from_slice(&it.body).ok()).unwrap_or(Value::Null);
            let raw = if request.upgrades { said[request_at..].to_vec() } else { Vec::new() };
            exchanges.push(Exchange { method, path, body: request.body, answer, raw });
            if request.upgrades {
                break;
            }
        }
    }
    exchanges
}

//! The holder of a session: owns the terminal and the process, and passes bytes to any number of clients.

use std::collections::BTreeMap;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::net::UnixListener;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::child;
use crate::client::{Client, Event, serve};
use crate::error::SessionError;
use crate::facts::{Ended, Facts};
use crate::frame::{CONTENT_MAX, Frame};
use crate::pty::{Terminal, terminal};
use crate::scrollback::Scrollback;
use crate::store::Store;

/// A session to start.
pub struct Start {
    /// The folder of all sessions.
    pub sessions: PathBuf,
    /// The file that starts this program.
    pub launcher: PathBuf,
    /// The name, or its beginning if it is taken.
    pub name: String,
    pub command: Vec<String>,
}

/// Concurrent connections.
const CLIENTS_MAX: usize = 16;

/// Input that waits for a command which does not read.
const INPUT_QUEUE: usize = 8;
const EVENT_QUEUE: usize = 8;

/// A client that does not read holds up the command, as a terminal does, but not for ever: then it is disconnected.
const STALL: Duration = Duration::from_secs(60);

/// How long the output of an ended command may take to arrive, and clients to take it. Others may hold the terminal open.
const DRAIN: Duration = Duration::from_millis(500);
const FAREWELL: Duration = Duration::from_secs(5);

/// The command starts with its first client, so that it knows the size and no output is missed; without one after this.
const FIRST: Duration = Duration::from_secs(10);

struct Holder {
    store: Store,
    facts: Facts,
    terminal: Arc<Terminal>,
    scrollback: Scrollback,
    clients: BTreeMap<u64, mpsc::Sender<Bytes>>,
}

/// Holds the session of a command until it ends. `announce` is called with the name once clients can connect.
///
/// # Errors
/// If it cannot be started.
pub async fn hold(start: Start, announce: impl FnOnce(&str)) -> Result<(), SessionError> {
    let Start { sessions, launcher, name, command } = start;
    let store = Store::open(&sessions)?;
    let program = command.first().cloned().unwrap_or_default();
    let facts = |name| Facts { name, program: short(&program), started: now(), attached: 0, ended: None, seen: false };
    let (facts, listener) = store.claim(&name, facts)?;
    let (terminal, theirs) = terminal().map_err(SessionError::Terminal)?;
    announce(&facts.name);
    let (terminal, scrollback, clients) = (Arc::new(terminal), Scrollback::default(), BTreeMap::new());
    let mut holder = Holder { store, facts, terminal, scrollback, clients };
    let mut connections = JoinSet::new();
    let spawn = || child::spawn(&launcher, &command, &theirs).map_err(SessionError::Start);
    let code = holder.run(spawn, &listener, &mut connections).await?;
    // Until now it keeps the terminal open, whatever the command does.
    drop(theirs);
    holder.drain().await;
    holder.end(code, connections).await
}

impl Holder {
    /// Passes bytes until the command has ended; returns its exit code.
    async fn run(
        &mut self,
        spawn: impl Fn() -> Result<Child, SessionError>,
        listener: &UnixListener,
        connections: &mut JoinSet<bool>,
    ) -> Result<i32, SessionError> {
        let (events, mut event) = mpsc::channel(EVENT_QUEUE);
        let (input, typed) = mpsc::channel(INPUT_QUEUE);
        let writing = tokio::spawn(write(Arc::clone(&self.terminal), typed));
        let terminal = Arc::clone(&self.terminal);
        let (mut buffer, mut next) = (vec![0; CONTENT_MAX], 0);
        let (mut process, start_by) = (None, Instant::now() + FIRST);
        let status = loop {
            if process.is_none() && (!self.clients.is_empty() || Instant::now() >= start_by) {
                process = Some(spawn()?);
            }
            let waits = process.is_none();
            let ended = async { if let Some(process) = &mut process { process.wait().await } else { pending().await } };
            tokio::select! {
                read = terminal.read(&mut buffer) => self.output(&buffer[..read?]).await,
                Some(event) = event.recv() => self.take(event).await,
                Ok((stream, _)) = listener.accept(), if connections.len() < CLIENTS_MAX => {
                    next += 1;
                    connections.spawn(serve(stream, next, events.clone(), input.clone()));
                }
                Some(_) = connections.join_next() => {}
                () = sleep_until(start_by), if waits => {}
                status = ended => break status.map_err(SessionError::Start)?,
            }
        };
        writing.abort();
        Ok(child::code(status))
    }

    async fn output(&mut self, piece: &[u8]) {
        self.scrollback.push(piece);
        self.send(&Frame::data(piece)).await;
    }

    /// Sends frames to all clients, and forgets those that are gone.
    async fn send(&mut self, frames: &[Bytes]) {
        let mut gone = Vec::new();
        for (id, client) in &self.clients {
            for frame in frames {
                if client.send_timeout(frame.clone(), STALL).await.is_err() {
                    gone.push(*id);
                    break;
                }
            }
        }
        for id in gone {
            self.clients.remove(&id);
            self.note();
        }
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Joined(Client { id, size, frames }) => {
                for frame in Frame::data(&self.scrollback.replay()) {
                    if frames.send_timeout(frame, STALL).await.is_err() {
                        return;
                    }
                }
                self.clients.insert(id, frames);
                self.note();
                // The command may have ended, or not use its terminal.
                let _ = self.terminal.redraw(size);
            }
            Event::Resized(size) => {
                let _ = self.terminal.resize(size);
            }
            Event::Left(id) => {
                self.clients.remove(&id);
                self.note();
            }
        }
    }

    /// Records the number of clients. A full disk must not end the session.
    fn note(&mut self) {
        self.facts.attached = self.clients.len();
        let _ = self.store.write(&self.facts);
    }

    /// Passes the last output of a command that has ended.
    async fn drain(&mut self) {
        let terminal = Arc::clone(&self.terminal);
        let mut buffer = vec![0; CONTENT_MAX];
        while let Ok(Ok(count @ 1..)) = timeout(DRAIN, terminal.read(&mut buffer)).await {
            self.output(&buffer[..count]).await;
        }
    }

    /// Records the end and tells the clients.
    async fn end(mut self, code: i32, mut connections: JoinSet<bool>) -> Result<(), SessionError> {
        self.facts.ended = Some(Ended { code, at: now() });
        self.facts.attached = 0;
        self.store.write(&self.facts)?;
        self.store.release(&self.facts.name)?;
        self.send(&[Frame::Ended(code).encode()]).await;
        self.clients.clear();
        let told = async {
            let mut told = false;
            while let Some(done) = connections.join_next().await {
                told |= done.unwrap_or(false);
            }
            told
        };
        self.facts.seen = timeout(FAREWELL, told).await.unwrap_or(false);
        self.store.write(&self.facts)
    }
}

/// Writes input until the terminal is closed.
async fn write(terminal: Arc<Terminal>, mut typed: mpsc::Receiver<Bytes>) {
    while let Some(piece) = typed.recv().await {
        if terminal.write(&piece).await.is_err() {
            return;
        }
    }
}

/// The name of a program, for the list.
fn short(program: &str) -> String {
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or(program);
    name.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// In seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

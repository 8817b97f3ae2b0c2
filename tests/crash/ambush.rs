//! A socket in front of the engine's own at which a chosen call never gets its answer.
//!
//! It does not kill anyone: it tells when the moment has come, and from then on lets nothing through.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::engine::engine;

/// Lies in wait for as long as the process lives; its socket goes with it.
pub struct Ambush {
    dir: TempDir,
    state: Arc<Mutex<State>>,
}

/// Where in the life of a call its caller dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The engine never hears of it.
    Asked,
    /// The engine has done it and said so, and nobody has heard that.
    Answered,
}

/// Which of the calls that change something, counted from 1 in the order they come in.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub nth: usize,
    pub moment: Moment,
}

#[derive(Default)]
struct State {
    point: Option<Point>,
    seen: usize,
    /// The call that was caught. Nothing is let through any more.
    caught: Option<String>,
}

impl Ambush {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(dir.path().join("docker.sock")).expect("a socket");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                // A connection that breaks is the client's to complain about.
                thread::spawn(move || pass_on(client, &state).ok());
            }
        });
        Self { dir, state }
    }

    /// What to give as `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.dir.path().join("docker.sock").display())
    }

    /// Waits for the call at `point`, or for none: then it only passes on.
    pub fn set(&self, point: Option<Point>) {
        *self.state.lock().expect("no panic in between") = State { point, ..State::default() };
    }

    /// The call that was caught, once it has been.
    pub fn caught(&self) -> Option<String> {
        self.state.lock().expect("no panic in between").caught.clone()
    }
}

/// What is to be done with a request.
enum Fate {
    Pass,
    /// To the engine, but its answer goes nowhere.
    KeepAnswer,
    /// Nowhere.
    Keep,
}

impl State {
    fn fate(&mut self, head: &str) -> Fate {
        if self.caught.is_some() {
            return Fate::Keep;
        }
        if head.starts_with("GET ") || head.starts_with("HEAD ") {
            return Fate::Pass;
        }
        self.seen += 1;
        match self.point {
            Some(point) if point.nth == self.seen && point.moment == Moment::Asked => {
                self.caught = Some(name(head));
                Fate::Keep
            }
            Some(point) if point.nth == self.seen => Fate::KeepAnswer,
            _ => Fate::Pass,
        }
    }
}

/// Method and path.
fn name(head: &str) -> String {
    let line = head.lines().next().unwrap_or_default();
    line.split([' ', '?']).take(2).collect::<Vec<_>>().join(" ")
}

/// The longest head of a request that makes sense.
const HEAD_MAX: usize = 64 * 1024;

/// No answer that is kept may take longer: it has to come for the point to be reached.
const PATIENCE: Duration = Duration::from_secs(60);

fn pass_on(mut client: UnixStream, state: &Mutex<State>) -> io::Result<()> {
    let Some((head, rest)) = request(&mut client)? else { return Ok(()) };
    let fate = state.lock().expect("no panic in between").fate(&head);
    if matches!(fate, Fate::Keep) {
        return drain(client);
    }
    let mut server = UnixStream::connect(engine().socket())?;
    let (head, upgrades) = last_of_its_connection(&head);
    server.write_all(head.as_bytes())?;
    server.write_all(&rest)?;
    let (mut answer, mut back) = (server.try_clone()?, client.try_clone()?);
    let keep = matches!(fate, Fate::KeepAnswer).then(|| name(&head));
    // Scoped, since the state is borrowed.
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(call) = keep {
                read_answer(&mut answer, upgrades).ok();
                state.lock().expect("no panic in between").caught = Some(call);
            } else {
                io::copy(&mut answer, &mut back).ok();
                back.shutdown(Shutdown::Both).ok();
            }
        });
        io::copy(&mut client, &mut server).ok();
        server.shutdown(Shutdown::Write).ok();
    });
    Ok(())
}

/// All of an answer; of one that changes the protocol its beginning, since what follows may have no end.
fn read_answer(answer: &mut UnixStream, upgrades: bool) -> io::Result<()> {
    answer.set_read_timeout(Some(PATIENCE))?;
    if upgrades {
        return answer.read(&mut [0; 8192]).map(drop);
    }
    io::copy(answer, &mut io::sink()).map(drop)
}

/// Holds a connection until its client is gone.
fn drain(mut client: UnixStream) -> io::Result<()> {
    io::copy(&mut client, &mut io::sink()).map(drop)
}

/// A request's head without its empty line, and what has come of the rest, from that line on.
fn request(client: &mut UnixStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let (mut received, mut chunk) = (Vec::new(), [0; 8192]);
    loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            return Ok(Some((String::from_utf8_lossy(&received[..end]).into_owned(), received.split_off(end))));
        }
        let n = client.read(&mut chunk)?;
        if n == 0 || received.len() > HEAD_MAX {
            return Ok(None);
        }
        received.extend_from_slice(&chunk[..n]);
    }
}

/// Asks for the connection to end with the answer, so that no second request can come on it unseen; true is for one
/// that wants to change the protocol, which is left as it is.
fn last_of_its_connection(head: &str) -> (String, bool) {
    let is = |line: &str, name: &str| line.split(':').next().is_some_and(|it| it.eq_ignore_ascii_case(name));
    if head.lines().any(|line| is(line, "upgrade")) {
        return (head.to_owned(), true);
    }
    let mut lines: Vec<&str> = head.split("\r\n").filter(|line| !is(line, "connection")).collect();
    lines.push("Connection: close");
    (lines.join("\r\n"), false)
}

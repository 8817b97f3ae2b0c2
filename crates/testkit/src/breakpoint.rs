//! A socket in front of the engine's that holds up a chosen call.
//!
//! It kills and restarts nothing: it reports when the call is reached, and from then on blocks all calls until
//! it is released.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::engine::engine;

/// Lives as long as the process; its socket is removed with it.
pub struct Breakpoint {
    dir: TempDir,
    watch: Arc<Watch>,
}

/// The moment at which a call is held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the engine has received it.
    Asked,
    /// After the engine has executed it; the answer is lost.
    Answered,
}

/// The number of a changing call, from 1, in the order of arrival.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub nth: usize,
    pub moment: Moment,
}

#[derive(Default)]
struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    point: Option<Point>,
    seen: usize,
    /// The held call. All others are blocked.
    caught: Option<String>,
    /// Whether calls are blocked.
    resume: bool,
    /// Counts the points. A request held at an earlier point is never forwarded.
    turn: usize,
}

impl Breakpoint {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(dir.path().join("docker.sock")).expect("a socket");
        let watch = Arc::new(Watch::default());
        let shared = Arc::clone(&watch);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let watch = Arc::clone(&shared);
                // A connection that breaks is the client's to complain about.
                thread::spawn(move || pass_on(client, &watch).ok());
            }
        });
        Self { dir, watch }
    }

    /// The value for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.dir.path().join("docker.sock").display())
    }

    /// Waits for the call at `point`, or for none: then it only passes on.
    pub fn set(&self, point: Option<Point>) {
        let mut state = self.watch.state();
        *state = State { point, turn: state.turn + 1, ..State::default() };
        self.watch.changed.notify_all();
    }

    /// The held call, once there is one.
    pub fn caught(&self) -> Option<String> {
        self.watch.state().caught.clone()
    }

    /// Forwards the held call and all later ones. A held answer is lost: its connection breaks.
    pub fn resume(&self) {
        self.watch.state().resume = true;
        self.watch.changed.notify_all();
    }
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic in between")
    }

    /// Waits with something that came in `turn`, and says whether it is to go on.
    fn hold(&self, turn: usize) -> bool {
        let held = |state: &mut State| state.turn == turn && !state.resume;
        let state = self.changed.wait_while(self.state(), held).expect("no panic in between");
        state.turn == turn
    }
}

/// The treatment of a request.
enum Treatment {
    Pass,
    /// Forward it, and drop the answer.
    KeepAnswer,
    /// Hold it.
    Keep,
}

impl State {
    fn treatment(&mut self, head: &str) -> Treatment {
        if self.caught.is_some() {
            return if self.resume { Treatment::Pass } else { Treatment::Keep };
        }
        if head.starts_with("GET ") || head.starts_with("HEAD ") {
            return Treatment::Pass;
        }
        self.seen += 1;
        match self.point {
            Some(point) if point.nth == self.seen && point.moment == Moment::Asked => {
                self.caught = Some(name(head));
                Treatment::Keep
            }
            Some(point) if point.nth == self.seen => Treatment::KeepAnswer,
            _ => Treatment::Pass,
        }
    }
}

/// Method and path.
fn name(head: &str) -> String {
    let line = head.lines().next().unwrap_or_default();
    line.split([' ', '?']).take(2).collect::<Vec<_>>().join(" ")
}

/// The maximum length of a request's head.
const HEAD_MAX: usize = 64 * 1024;

/// No answer that is kept may take longer: it has to come for the point to be reached.
const PATIENCE: Duration = Duration::from_secs(60);

fn pass_on(mut client: UnixStream, watch: &Watch) -> io::Result<()> {
    let Some((head, rest)) = request(&mut client)? else { return Ok(()) };
    let (treatment, turn) = {
        let mut state = watch.state();
        (state.treatment(&head), state.turn)
    };
    if matches!(treatment, Treatment::Keep) && !watch.hold(turn) {
        return Ok(());
    }
    let mut server = UnixStream::connect(engine().socket())?;
    let (head, upgrades) = last_of_its_connection(&head);
    server.write_all(head.as_bytes())?;
    server.write_all(&rest)?;
    let (mut answer, mut back) = (server.try_clone()?, client.try_clone()?);
    let keep = matches!(treatment, Treatment::KeepAnswer).then(|| name(&head));
    // Scoped, since the watch is borrowed.
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(call) = keep {
                read_answer(&mut answer, upgrades).ok();
                watch.state().caught = Some(call);
                watch.hold(turn);
            } else {
                io::copy(&mut answer, &mut back).ok();
            }
            back.shutdown(Shutdown::Both).ok();
        });
        io::copy(&mut client, &mut server).ok();
        server.shutdown(Shutdown::Write).ok();
    });
    Ok(())
}

/// An entire answer. If it changes the protocol, only the head, since the rest may be endless.
fn read_answer(answer: &mut UnixStream, upgrades: bool) -> io::Result<()> {
    answer.set_read_timeout(Some(PATIENCE))?;
    if upgrades {
        return answer.read(&mut [0; 8192]).map(drop);
    }
    io::copy(answer, &mut io::sink()).map(drop)
}

/// The head of a request without its empty line, and the bytes received after the head, with that line.
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

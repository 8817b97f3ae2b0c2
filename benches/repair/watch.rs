//! A watch that can be suspended, and the engine's events, with the time of each line.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Outcome;
use crate::socket::Engine;

/// Timeout for a line: far longer than a repair.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines and their times.
struct Lines(Receiver<(Instant, String)>);

pub struct Watch {
    child: Child,
    lines: Lines,
}

pub struct Events(Lines);

impl Lines {
    fn of(from: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Self(lines)
    }

    fn with(&self, part: &str) -> Outcome<Instant> {
        loop {
            let (at, line) = self.0.recv_timeout(PATIENCE).map_err(|error| format!("{part}: {error}"))?;
            if line.contains(part) {
                return Ok(at);
            }
        }
    }

    fn forget(&self) {
        while self.0.try_recv().is_ok() {}
    }
}

impl Watch {
    pub fn begin(mut command: Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let lines = Lines::of(child.stdout.take().ok_or("no pipe")?);
        let watch = Self { child, lines };
        watch.settled()?;
        Ok(watch)
    }

    /// Waits until it reports the sandbox in sync; returns the time.
    pub fn settled(&self) -> Outcome<Instant> {
        self.lines.with("\"event\":\"settled\"")
    }

    pub fn forget(&self) {
        self.lines.forget();
    }

    /// A hangup signal ends every backoff.
    pub fn end_backoff(&self) -> Outcome<()> {
        self.signal(Signal::HUP)
    }

    pub fn hold(&self) -> Outcome<()> {
        self.signal(Signal::STOP)
    }

    pub fn go_on(&self) -> Outcome<()> {
        self.signal(Signal::CONT)
    }

    pub fn end(mut self) -> Outcome<()> {
        self.signal(Signal::INT)?;
        self.child.wait()?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Outcome<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Events {
    pub fn listen(engine: &Engine) -> Outcome<Self> {
        let mut stream = UnixStream::connect(&engine.path)?;
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: docker\r\n\r\n")?;
        Ok(Self(Lines::of(stream)))
    }

    pub fn forget(&self) {
        self.0.forget();
    }

    /// Waits for an event with the action; returns its time.
    pub fn next(&self, action: &str) -> Outcome<Instant> {
        self.0.with(&format!("\"Action\":\"{action}\""))
    }
}

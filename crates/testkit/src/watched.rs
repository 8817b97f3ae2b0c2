//! A running watch, and its events.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::Sandbox;

/// Stopped on drop.
pub struct Watched {
    child: Child,
    lines: Receiver<Value>,
    /// The events so far.
    pub events: Vec<Value>,
}

/// The maximum wait for one event, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A period without events if nothing is done: several times the debounce of files.
const QUIET: Duration = Duration::from_millis(1500);

impl Watched {
    /// Watches a sandbox; returns when it is in sync, or when `first` is reported.
    pub fn until(sandbox: &Sandbox, args: &[&str], first: &str) -> Self {
        let mut watched = Self::begun(sandbox, args);
        watched.wait_for(first);
        watched
    }

    /// Watches a sandbox without waiting.
    pub fn begun(sandbox: &Sandbox, args: &[&str]) -> Self {
        let mut command = sandbox.moat(&[&["watch", "--json"], args].concat()).command;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        Self::listening(command.spawn().expect("moat runs"))
    }

    pub fn of(child: Child, first: &str) -> Self {
        let mut watched = Self::listening(child);
        watched.wait_for(first);
        watched
    }

    fn listening(mut child: Child) -> Self {
        let out = child.stdout.take().expect("a pipe");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, events: Vec::new() }
    }

    /// The events since the last call, without waiting for more.
    pub fn heard(&mut self) -> Vec<Value> {
        let heard: Vec<Value> = self.lines.try_iter().collect();
        self.events.extend(heard.iter().cloned());
        heard
    }

    pub fn new(sandbox: &Sandbox, args: &[&str]) -> Self {
        Self::until(sandbox, args, "settled")
    }

    /// Waits for the next event of a kind.
    pub fn wait_for(&mut self, kind: &str) -> Value {
        self.wait_for_one(&[kind])
    }

    /// Waits for the next event of one of some kinds.
    pub fn wait_for_one(&mut self, kinds: &[&str]) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let value = self
                .lines
                .recv_timeout(left)
                .unwrap_or_else(|error| panic!("{error}: no {kinds:?} in {:#?}", self.events));
            self.events.push(value.clone());
            if kinds.iter().any(|kind| value["event"] == *kind) {
                return value;
            }
        }
    }

    /// The operations since the last call, up to the next time in sync.
    pub fn settles(&mut self) -> Vec<String> {
        self.events.clear();
        self.wait_for("settled");
        self.done()
    }

    /// The operations in the events.
    pub fn done(&self) -> Vec<String> {
        let done = self.events.iter().filter(|it| it["event"] == "succeeded");
        let text = |it: &Value| {
            let operation = &it["operation"];
            format!(
                "{} {}",
                operation["action"].as_str().unwrap_or_default(),
                operation["resource"].as_str().unwrap_or_default()
            )
        };
        done.map(text).collect()
    }

    /// The events of a period that should have none.
    pub fn quiet(&mut self) -> Vec<Value> {
        let (end, mut reported) = (Instant::now() + QUIET, Vec::new());
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(value) => reported.push(value),
                Err(RecvTimeoutError::Timeout) => return reported,
                Err(error) => panic!("{error}: it has ended"),
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    /// Stops it like a user.
    pub fn end(mut self) {
        self.signal(rustix::process::Signal::INT);
        let status = self.child.wait().expect("it ends");
        self.heard();
        assert_eq!((status.code(), status.signal()), (Some(0), None), "{:#?}", self.events);
    }

    /// Stops it like a user, and waits for at most `patience`.
    pub fn ends_within(mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.signal(rustix::process::Signal::INT);
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                assert_eq!((status.code(), status.signal()), (Some(0), None), "{:#?}", self.events);
                return;
            }
            assert!(Instant::now() < deadline, "it does not end: {:#?}", self.events);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Memory that it has allocated, in KiB, and open file descriptors. Pages of the program do not count: a debug build
    /// has many.
    pub fn size(&self) -> (u64, usize) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("it has memory");
        let kib = line.trim().trim_end_matches(" kB").parse().expect("a number");
        let files = fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it runs").count();
        (kib, files)
    }

    /// Processor time that it has used so far, in hundredths of a second.
    pub fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // User and system time: proc(5), fields 14 and 15, of which the first two end with the parenthesis.
        [fields[11], fields[12]].iter().map(|it| it.parse::<u64>().expect("a number")).sum()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

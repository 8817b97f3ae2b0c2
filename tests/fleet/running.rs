//! A running moat: its output so far, and signals.

use std::io::{BufRead, BufReader};
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Killed on drop.
pub struct Running {
    child: std::process::Child,
    lines: Receiver<String>,
    pub reported: Vec<String>,
}

/// Timeout for a line. Longer than any operation of these tests.
const PATIENCE: Duration = Duration::from_secs(60);

impl Running {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("moat runs");
        let (out, err): (ChildStdout, ChildStderr) =
            (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let (sender, lines) = channel();
        let other = sender.clone();
        thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|it| sender.send(it)));
        thread::spawn(move || BufReader::new(err).lines().map_while(Result::ok).try_for_each(|it| other.send(it)));
        Self { child, lines, reported: Vec::new() }
    }

    /// Like [`Running::until`], for the line of each label; it may have been printed already.
    pub fn until_each(&mut self, label: &str, parts: &[&str]) {
        let is_it = |line: &String| line.starts_with(label) && parts.iter().all(|part| line.contains(part));
        if !self.reported.iter().any(is_it) {
            self.until(&[&[label], parts].concat());
        }
    }

    /// Waits for a line of either stream that contains all of `parts`.
    pub fn until(&mut self, parts: &[&str]) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("{error} before {parts:?}: {:#?}", self.reported));
            self.reported.push(line.clone());
            if parts.iter().all(|part| line.contains(part)) {
                return;
            }
        }
    }

    /// Sends a signal such as `INT`.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for the exit; returns the exit code and the output.
    pub fn end(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.child.wait().expect("it ends").code();
        let mut reported = std::mem::take(&mut self.reported);
        reported.extend(self.lines.iter());
        (code, reported)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

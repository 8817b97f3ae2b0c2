//! A moat process that is held up at a point of its work, and then killed or resumed.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::breakpoint::{Breakpoint, Point};
use crate::sandbox::Sandbox;

/// The time for a command to reach its point or its end.
const DEADLINE: Duration = Duration::from_secs(120);

/// The polling interval.
const PAUSE: Duration = Duration::from_millis(5);

/// Killed on drop if it is still running.
pub struct Held<'a> {
    breakpoint: &'a Breakpoint,
    child: Child,
    /// The call at which it is held.
    pub call: String,
    log: PathBuf,
}

/// Runs moat until `point`; `None` if it came to its end before, which must be good.
pub fn hold_at<'a>(sandbox: &Sandbox, breakpoint: &'a Breakpoint, args: &[&str], point: Point) -> Option<Held<'a>> {
    breakpoint.set(Some(point));
    let log = sandbox.path().join("held.log");
    let mut command = sandbox.moat(args).docker_host(&breakpoint.host()).command;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log).expect("a log"));
    let child = command.spawn().expect("moat runs");
    let mut held = Held { breakpoint, child, call: String::new(), log };
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(call) = breakpoint.caught() {
            held.call = call;
            return Some(held);
        }
        if let Some(status) = held.child.try_wait().expect("a child") {
            assert!(status.success(), "{point:?}: {args:?}: {status}\n{}", held.output());
            return None;
        }
        assert!(Instant::now() < deadline, "{point:?}: {args:?} neither ends nor gets there\n{}", held.output());
        thread::sleep(PAUSE);
    }
}

impl Held<'_> {
    /// Its output.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it; returns the call at which it was held.
    pub fn kill(mut self) -> String {
        self.child.kill().expect("killed");
        let status = self.child.wait().expect("it ends");
        assert!(!status.success(), "{}: it has ended by itself\n{}", self.call, self.output());
        std::mem::take(&mut self.call)
    }

    /// Resumes it until its end; returns its exit code and output.
    pub fn resume(mut self) -> (Option<i32>, String) {
        self.breakpoint.resume();
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(Instant::now() < deadline, "{}: no end\n{}", self.call, self.output());
            thread::sleep(PAUSE);
        };
        (status.code(), self.output())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.breakpoint.set(None);
    }
}

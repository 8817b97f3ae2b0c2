//! A moat that is killed at a point of its work.

use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::ambush::{Ambush, Point};
use crate::sandbox::Sandbox;

/// For a command to get to its point, or to its end.
const DEADLINE: Duration = Duration::from_secs(120);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Runs moat until `point` and kills it there: the call it was at, or none if it came to its end, which must be good.
pub fn kill_at(sandbox: &Sandbox, ambush: &Ambush, args: &[&str], point: Point) -> Option<String> {
    ambush.set(Some(point));
    let log = sandbox.path().join("killed.log");
    let mut command = sandbox.moat(args).docker_host(&ambush.host()).command;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log).expect("a log"));
    let mut child = command.spawn().expect("moat runs");
    let deadline = Instant::now() + DEADLINE;
    let told = || fs::read_to_string(&log).unwrap_or_default();
    let caught = loop {
        if let Some(call) = ambush.caught() {
            break Some(call);
        }
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(status.success(), "{point:?}: {args:?}: {status}\n{}", told());
            break None;
        }
        if Instant::now() > deadline {
            child.kill().expect("killed");
            child.wait().expect("it ends");
            panic!("{point:?}: {args:?} neither ends nor gets there\n{}", told());
        }
        thread::sleep(PAUSE);
    };
    if caught.is_some() {
        child.kill().expect("killed");
        let status = child.wait().expect("it ends");
        assert!(!status.success(), "{point:?}: it has ended by itself\n{}", told());
    }
    ambush.set(None);
    caught
}

//! A second Ctrl-C or SIGTERM exits at once, even if the engine does not respond.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testkit::empty_engine::EmptyEngine;
use testkit::hermetic::Place;

/// Much longer than the exit takes, and much shorter than an engine timeout.
const DEADLINE: Duration = Duration::from_secs(20);

fn send(signal: &str, child: &Child) {
    let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
    assert!(status.expect("a shell").success());
}

#[test]
fn the_second_signal_exits_at_once() {
    for (first, second) in [("INT", "INT"), ("TERM", "INT"), ("INT", "TERM")] {
        let (engine, asked) = EmptyEngine::silent();
        let place = Place::with("agent: builder\nimage: busybox\n").at(&engine.address());
        let mut child = place.command(["apply"]).stderr(Stdio::piped()).spawn().expect("moat runs");
        asked.recv_timeout(DEADLINE).expect("it asks");
        send(first, &child);
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let line = lines.next().expect("a line").expect("text");
        assert_eq!(line, "interrupted: finishing the current step; interrupt again to exit immediately");
        send(second, &child);
        assert_eq!(child.wait().expect("it ends").code(), Some(130), "{first} {second}");
    }
}

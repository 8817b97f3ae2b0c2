//! Many agents in one command, compared with the same engine calls made directly.
//!
//! Prints the times with `--nocapture`; only success is asserted.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::engine::{Inventory, engine};
use testkit::sandbox::PLAIN;

use crate::load::{FOLDER, Load, count};

/// Concurrent agents of the direct calls. More do not speed up an engine.
const SIDE_BY_SIDE: usize = 16;

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what this measures; shown with `--nocapture`")]
fn a_fleet_against_direct_calls() {
    let before = Inventory::now();
    let load = Load::new(count("MOAT_FLEET", 10), PLAIN);
    let n = load.agents.len();
    let moat = |args: &[&str]| timed(|| drop(load.sandbox.moat(args).ok())).1;
    let apply = moat(&["apply", FOLDER]);
    load.assert_all("ready");
    let again = moat(&["apply", FOLDER]);
    let destroy = moat(&["destroy", FOLDER]);
    load.assert_all("absent");

    let direct = |nth: usize| format!("direct-{}-{nth:03}", load.sandbox.agent);
    let ((), directly_up) = timed(|| for_each(n, |nth| up(&direct(nth), nth)));
    let ((), directly_down) = timed(|| for_each(n, |nth| down(&direct(nth))));
    println!(
        "{n} agents: apply {apply:.1?} against {directly_up:.1?}, destroy {destroy:.1?} against {directly_down:.1?}, nothing to do {again:.1?}"
    );
    before.assert_unchanged(&load.sandbox.agent);
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    (work(), began.elapsed())
}

fn for_each(n: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(nth) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|nth| *nth < n) {
                    work(nth);
                }
            });
        }
    });
}

/// Creates the objects of the smallest spec, without observation.
fn up(name: &str, nth: usize) {
    let labels = json!({ "direct": name });
    let subnet = format!("10.120.{}.{}/28", nth / 16, nth % 16 * 16);
    let ipam = json!({ "Config": [{ "Subnet": subnet }] });
    ask("POST", "/networks/create", &json!({ "Name": name, "Labels": labels, "IPAM": ipam }));
    let host = json!({ "Init": true, "NetworkMode": name, "RestartPolicy": { "Name": "unless-stopped" } });
    let container =
        json!({ "Image": "busybox", "Entrypoint": ["sleep", "infinity"], "Labels": labels, "HostConfig": host });
    ask("POST", &format!("/containers/create?name={name}"), &container);
    ask("POST", &format!("/containers/{name}/start"), &Value::Null);
    ask("GET", &format!("/containers/{name}/json"), &Value::Null);
}

fn down(name: &str) {
    ask("POST", &format!("/containers/{name}/stop"), &Value::Null);
    ask("DELETE", &format!("/containers/{name}?v=1"), &Value::Null);
    ask("DELETE", &format!("/networks/{name}"), &Value::Null);
}

/// One call on a connection of its own, which must succeed.
fn ask(method: &str, path: &str, body: &Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut stream = UnixStream::connect(engine().socket()).expect("an engine");
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: application/json");
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    let answer = String::from_utf8_lossy(&answer);
    let good = ["HTTP/1.1 200", "HTTP/1.1 201", "HTTP/1.1 204", "HTTP/1.1 304"];
    assert!(good.iter().any(|it| answer.starts_with(it)), "{method} {path}: {answer}");
}

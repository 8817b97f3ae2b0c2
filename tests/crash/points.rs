//! Crashes at every call of an apply, a replacement and a destroy; then the same command runs again.
//!
//! The second command uses the same socket, and the lock of the first one must not block it.

use std::env;
use std::time::Instant;

use testkit::breakpoint::{Breakpoint, Moment, Point};
use testkit::engine::{Inventory, engine};
use testkit::held::hold_at;
use testkit::owner;
use testkit::sandbox::{DIND, PLAIN, Sandbox};

use crate::intents::{assert_intent, assert_whole};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    First,
    Replacement,
    Destroy,
}

/// The objects of one run: containers by name with the number of their mounts, networks, volumes.
pub type Shape = Vec<String>;

/// More than the number of calls of any command here.
pub const MANY: usize = 100;

#[test]
fn a_first_apply() {
    every(PLAIN, Work::First, 1, 3);
}

#[test]
fn a_replacement() {
    every(PLAIN, Work::Replacement, 1, 4);
}

#[test]
fn a_destroy() {
    every(PLAIN, Work::Destroy, 1, 3);
}

#[test]
fn a_first_apply_with_an_inner_docker() {
    every(DIND, Work::First, every_nth(3), 8);
}

#[test]
fn a_replacement_with_an_inner_docker() {
    every(DIND, Work::Replacement, every_nth(3), 5);
}

#[test]
fn a_destroy_with_an_inner_docker() {
    every(DIND, Work::Destroy, every_nth(3), 6);
}

/// The step between points: `usual`, since each one starts two Docker engines, or 1 for all of them.
pub fn every_nth(usual: usize) -> usize {
    match env::var("MOAT_CRASH").as_deref() {
        Ok("all") => 1,
        Ok(other) => panic!("MOAT_CRASH is `all` or not set, not `{other}`"),
        Err(_) => usual,
    }
}

/// Kills at every `step`th call until the command has no such call; there must be at least `least`.
#[expect(clippy::print_stdout, reason = "the points are what this measures; shown with `--nocapture`")]
fn every(spec: &str, work: Work, step: usize, least: usize) {
    let _beside = owner::shared();
    let began = Instant::now();
    let expected = shape_without_crash(spec, work);
    let mut points = 0;
    // The second sample has an offset of one, so that the samples have different calls.
    for (moment, start) in [(Moment::Answered, 1), (Moment::Asked, step.min(2))] {
        let mut nth = start;
        while let Some(call) = crash(spec, work, Point { nth, moment }, &expected) {
            println!("{work:?} {moment:?} {nth}: {call}");
            (points, nth) = (points + 1, nth + step);
            assert!(nth < MANY, "no end of calls");
        }
        assert!(nth > least, "only {nth} calls of {work:?} seen, not {least}");
    }
    println!("{work:?}: {points} crash points, step {step}, in {:?}, of:\n{spec}", began.elapsed());
}

/// One crash and the repeated command; returns the call of the crash.
fn crash(spec: &str, work: Work, point: Point, expected: &Shape) -> Option<String> {
    let before = Inventory::now();
    let (sandbox, breakpoint) = (Sandbox::new(spec), Breakpoint::new());
    prepare(&sandbox, &breakpoint, spec, work);
    let call = hold_at(&sandbox, &breakpoint, command(work), point).map(|held| {
        assert_intent(&sandbox, &held.call);
        held.kill()
    });
    let at = format!("{work:?} {point:?} at {call:?}, which left {:#?}", shape(&sandbox));

    let again = sandbox.moat(command(work)).docker_host(&breakpoint.host()).run();
    assert!(again.code == 0, "{at}\nthe second one: {again}");
    assert_done(&sandbox, &breakpoint, work, expected, &format!("{at}\nthe second one: {again}"));
    // The second command closes the open intents of the first one.
    assert_whole(&sandbox, &at);
    sandbox.moat(&["destroy", "--volumes", "--yes"]).docker_host(&breakpoint.host()).ok();
    before.assert_unchanged(&sandbox.agent);
    call
}

/// Checks that `work` is done, according to moat and to the engine.
pub fn assert_done(sandbox: &Sandbox, breakpoint: &Breakpoint, work: Work, expected: &Shape, at: &str) {
    let state = if work == Work::Destroy { "absent" } else { "ready" };
    let status = sandbox.moat(&["status", "--json"]).docker_host(&breakpoint.host()).run();
    let document: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!(document["state"], state, "{at}\n{document:#}");
    assert_eq!(&shape(sandbox), expected, "{at}");
    if work == Work::Replacement {
        assert_eq!(sandbox.sh_ok("echo $COLOUR"), "blue", "{at}");
    }
}

pub fn shape_without_crash(spec: &str, work: Work) -> Shape {
    let (sandbox, breakpoint) = (Sandbox::new(spec), Breakpoint::new());
    prepare(&sandbox, &breakpoint, spec, work);
    sandbox.moat(command(work)).docker_host(&breakpoint.host()).ok();
    let expected = shape(&sandbox);
    sandbox.moat(&["destroy", "--volumes", "--yes"]).docker_host(&breakpoint.host()).ok();
    expected
}

/// Prepares a sandbox for `work`.
pub fn prepare(sandbox: &Sandbox, breakpoint: &Breakpoint, spec: &str, work: Work) {
    if work != Work::First {
        sandbox.moat(&["apply"]).docker_host(&breakpoint.host()).ok();
    }
    if work == Work::Replacement {
        sandbox.rewrite(&format!("{spec}env:\n  COLOUR: blue\n"));
    }
}

pub fn command(work: Work) -> &'static [&'static str] {
    if work == Work::Destroy { &["destroy"] } else { &["apply"] }
}

pub fn shape(sandbox: &Sandbox) -> Shape {
    let filter = format!("label=moat.agent={}", sandbox.agent);
    let list = |args: &[&str], format: &str| {
        let lines = engine().list(&[args, &["--filter", &filter, "--format", format]].concat());
        lines.into_iter().map(|line| line.replace(&sandbox.run_id(), "R")).collect::<Vec<_>>()
    };
    // Anonymous volumes are among the mounts; unused ones are found at the end.
    let containers = list(&["ps", "-a"], "{{.Names}} {{.State}} {{.Mounts}}").into_iter().map(|line| {
        let (who, mounts) = line.rsplit_once(' ').unwrap_or((&line, ""));
        format!("container {who}: {} mounts", mounts.split(',').filter(|it| !it.is_empty()).count())
    });
    let networks = list(&["network", "ls"], "network {{.Name}}");
    let volumes = list(&["volume", "ls"], "volume {{.Name}}");
    let mut shape: Shape = containers.chain(networks).chain(volumes).collect();
    shape.sort();
    shape
}

//! The engine crashes during an apply, and is back before moat continues.
//!
//! The last observation is then stale: calls in flight have failed, containers have exited and restarted. The apply may
//! succeed or fail; the next one succeeds.

use std::process::Command;

use testkit::breakpoint::{Breakpoint, Moment, Point};
use testkit::engine::{Inventory, engine};
use testkit::held::hold_at;
use testkit::marked::{is_held, marked, runs};
use testkit::owner;
use testkit::run::{run, until};
use testkit::sandbox::{DIND, PLAIN, Sandbox};

use crate::points::{MANY, Shape, Work, assert_done, command, every_nth, prepare, shape, shape_without_crash};

#[test]
fn in_a_first_apply() {
    every(PLAIN, Work::First, 1, 3);
}

#[test]
fn in_a_replacement() {
    every(PLAIN, Work::Replacement, 1, 4);
}

#[test]
fn in_a_first_apply_with_an_inner_docker() {
    every(DIND, Work::First, every_nth(6), 8);
}

// After a restart the engine starts main again, and not a sidecar that was stopped: only main holds the command. After a
// crash it would start neither.
#[test]
fn a_command_is_held_after_a_restart_of_the_engine() {
    let _alone = owner::exclusive();
    let sandbox = marked("restart: unless-stopped\n");
    sandbox.apply();
    assert_eq!(runs(&sandbox), 1);
    engine().docker(&["stop", &sandbox.sidecar()]);
    lab(&["restart"]);
    assert!(is_held(&sandbox, 1));
    assert_eq!(runs(&sandbox), 1);
    sandbox.apply();
    assert_eq!(runs(&sandbox), 2);
    sandbox.assert_ready();
}

/// Restarts at every `step`th call until the command has no such call; there must be at least `least`.
#[expect(clippy::print_stdout, reason = "the points are what this measures; shown with `--nocapture`")]
fn every(spec: &str, work: Work, step: usize, least: usize) {
    let _alone = owner::exclusive();
    let expected = shape_without_crash(spec, work);
    let (mut points, mut carried_on) = (0, 0);
    for (moment, start) in [(Moment::Answered, 1), (Moment::Asked, step.min(2))] {
        let mut nth = start;
        while let Some((call, code)) = restart(spec, work, Point { nth, moment }, &expected) {
            println!("{work:?} {moment:?} {nth}: {call}: {code}");
            (points, carried_on, nth) = (points + 1, carried_on + usize::from(code == 0), nth + step);
            assert!(nth < MANY, "no end of calls");
        }
        assert!(nth > least, "only {nth} calls of {work:?} seen, not {least}");
    }
    println!(
        "{work:?}: {points} restarts, step {step}, after {carried_on} of them the same apply got there, of:\n{spec}"
    );
}

/// One restart and the repeated command; returns the call of the restart and the exit code of the first apply.
fn restart(spec: &str, work: Work, point: Point, expected: &Shape) -> Option<(String, i32)> {
    let before = Inventory::now();
    let (sandbox, breakpoint) = (Sandbox::new(spec), Breakpoint::new());
    prepare(&sandbox, &breakpoint, spec, work);
    let ended = hold_at(&sandbox, &breakpoint, command(work), point).map(|held| {
        restart_engine();
        let call = held.call.clone();
        let (code, reported) = held.resume();
        // It succeeded, failed, or lost the engine.
        let code = code.unwrap_or(-1);
        assert!([0, 1, 69].contains(&code), "{work:?} {point:?} at {call}: exit code {code}\n{reported}");
        // The last call may have been a query, so that the engine crashed after the last observation.
        if code == 0 && !call.contains("/exec") {
            assert_eq!(&shape(&sandbox), expected, "{work:?} {point:?} at {call}\n{reported}");
        }
        (call, code)
    });
    let at = format!("{work:?} {point:?} at {ended:?}, which left {:#?}", shape(&sandbox));
    let again = sandbox.moat(command(work)).docker_host(&breakpoint.host()).run();
    assert!(again.code == 0, "{at}\nthe second one: {again}");
    assert_done(&sandbox, &breakpoint, work, expected, &format!("{at}\nthe second one: {again}"));
    sandbox.moat(&["destroy", "--volumes", "--yes"]).docker_host(&breakpoint.host()).ok();
    let mut left = Vec::new();
    let clean = until(|| {
        left = before.difference(&sandbox.agent);
        left.is_empty()
    });
    assert!(clean, "{at}\nleft: {left:#?}");
    ended
}

/// Kills the engine without a shutdown, as a crash does.
pub fn restart_engine() {
    lab(&["restart", "--kill"]);
}

fn lab(args: &[&str]) {
    let lab = std::env::var("MOAT_LAB").expect("MOAT_LAB: only an engine of the lab is restarted, see tests/lab");
    let mut command = Command::new(lab);
    command.args(args);
    let ran = run(command, b"");
    assert!(ran.code == 0, "{ran}");
}

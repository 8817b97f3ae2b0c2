//! Two applies of one file at the same time.

use std::thread;

use testkit::engine::Inventory;
use testkit::run::Ran;
use testkit::sandbox::{PLAIN, Sandbox};

use crate::load::count;

fn at_once(one: impl FnOnce() -> Ran + Send, other: impl FnOnce() -> Ran + Send) -> [Ran; 2] {
    thread::scope(|scope| {
        let (one, other) = (scope.spawn(one), scope.spawn(other));
        [one, other].map(|it| it.join().expect("no panic"))
    })
}

#[test]
fn one_is_turned_away_and_the_other_one_gets_there() {
    let before = Inventory::now();
    let sandbox = Sandbox::new(PLAIN);
    for _ in 0..count("MOAT_RACES", 3) {
        let ran = at_once(|| sandbox.moat(&["apply"]).run(), || sandbox.moat(&["apply"]).run());
        // Whoever comes after the end of the other one finds nothing to do.
        let done = ran.iter().filter(|it| it.code == 0).count();
        assert!(done >= 1 && ran.iter().all(|it| [0, 75].contains(&it.code)), "{}\n{}", ran[0], ran[1]);
        sandbox.assert_ready();
        sandbox.moat(&["destroy"]).ok();
    }
    before.assert_unchanged(&sandbox.agent);
}

#[test]
fn whoever_waits_gets_there_too() {
    let before = Inventory::now();
    let sandbox = Sandbox::new(PLAIN);
    for _ in 0..count("MOAT_RACES", 3) {
        let apply = || sandbox.moat(&["apply", "--lock-timeout", "60"]).run();
        for ran in at_once(apply, apply) {
            assert_eq!(ran.code, 0, "{ran}");
        }
        sandbox.assert_ready();
        sandbox.moat(&["destroy"]).ok();
    }
    before.assert_unchanged(&sandbox.agent);
}

/// With no lock in common, as two machines have it: one may lose, and the next apply mends what is left.
#[test]
fn two_machines_leave_nothing_broken() {
    let before = Inventory::now();
    let sandbox = Sandbox::new(PLAIN);
    for _ in 0..count("MOAT_RACES", 3) {
        let apply = |state: &str| {
            let mut apply = sandbox.moat(&["apply", "--keep-on-failure"]);
            apply.command.env("MOAT_STATE_DIR", sandbox.path().join(state));
            apply.run()
        };
        let ran = at_once(|| apply("one"), || apply("other"));
        assert!(ran.iter().any(|it| it.code == 0), "{}\n{}", ran[0], ran[1]);
        sandbox.apply();
        sandbox.assert_ready();
        sandbox.moat(&["destroy"]).ok();
    }
    before.assert_unchanged(&sandbox.agent);
}

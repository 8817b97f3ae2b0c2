//! Two concurrent applies of one file.

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
fn a_concurrent_apply_is_refused() {
    let before = Inventory::now();
    let sandbox = Sandbox::new(PLAIN);
    for _ in 0..count("MOAT_RACES", 3) {
        let ran = at_once(|| sandbox.moat(&["apply"]).run(), || sandbox.moat(&["apply"]).run());
        // An apply that starts after the other one has finished has nothing to do.
        let done = ran.iter().filter(|it| it.code == 0).count();
        assert!(done >= 1 && ran.iter().all(|it| [0, 75].contains(&it.code)), "{}\n{}", ran[0], ran[1]);
        sandbox.assert_ready();
        sandbox.moat(&["destroy"]).ok();
    }
    before.assert_unchanged(&sandbox.agent);
}

#[test]
fn a_waiting_apply_succeeds() {
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

/// Without a common lock, as from two machines: one may fail, and the next apply repairs the rest.
#[test]
fn two_machines_converge() {
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

//! Ctrl-C and SIGTERM in the middle of things.

use testkit::engine::{Inventory, engine};
use testkit::sandbox::{DIND, Sandbox};

use crate::load::{FOLDER, Load};
use crate::running::Running;

/// A sidecar that runs and never gets ready, so that an apply has something to wait for.
const NEVER_READY: &str = "image: docker:dind\ndependencies:\n  - docker:dind\nbuildkit:\n  image: lab/silent\n";

/// A container that takes the ten seconds of its grace to stop.
const STUBBORN: &str = "image: busybox\ncommand: [sh, -c, \"trap '' TERM; while :; do sleep 1; done\"]\n";

fn start(sandbox: &Sandbox, args: &[&str]) -> Running {
    Running::start(sandbox.moat(args).command)
}

#[test]
fn a_first_apply_is_undone_in_good_order() {
    for signal in ["INT", "TERM"] {
        let before = Inventory::now();
        let sandbox = Sandbox::new(NEVER_READY);
        let mut apply = start(&sandbox, &["apply", "--json", "--wait-timeout", "60"]);
        apply.until(&["\"event\":\"started\"", "\"action\":\"await\""]);
        apply.signal(signal);
        let (code, told) = apply.end();
        assert_eq!(code, Some(130), "{signal}: {told:#?}");
        assert!(told.iter().any(|line| line.contains("\"undoing\"")), "{told:#?}");
        let done = told.iter().rfind(|line| line.contains("\"event\":\"done\"")).expect("a last line");
        assert!(done.contains("\"code\":\"interrupted\""), "{done}");
        assert!(done.contains("\"outcome\":\"interrupted\"") && done.contains("\"remaining\":[]"), "{done}");
        before.assert_unchanged(&sandbox.agent);
    }
}

/// What stood before stays, and what remains is told.
#[test]
fn nothing_new_is_begun_and_what_is_left_is_told() {
    let before = Inventory::now();
    let sandbox = Sandbox::applied(STUBBORN);
    let mut destroy = start(&sandbox, &["destroy", "--json"]);
    destroy.until(&["\"event\":\"started\"", "\"action\":\"stop\""]);
    destroy.signal("INT");
    let (code, told) = destroy.end();
    assert_eq!(code, Some(130), "{told:#?}");
    let started = |action: &str| told.iter().any(|it| it.contains("\"started\"") && it.contains(action));
    assert!(!started("\"action\":\"remove\""), "{told:#?}");
    let finished = |line: &String| line.contains("\"succeeded\"") && line.contains("\"action\":\"stop\"");
    assert!(told.iter().any(finished), "{told:#?}");
    let run = sandbox.run_id();
    let remaining = format!("\"remaining\":[\"container moat-{run}\",\"network moat-{run}\"]");
    assert!(told.iter().any(|line| line.contains(&remaining)), "{told:#?}");
    sandbox.moat(&["destroy"]).ok();
    before.assert_unchanged(&sandbox.agent);
}

#[test]
fn a_second_signal_ends_it_at_once_and_the_next_apply_mends_it() {
    let sandbox = Sandbox::applied(STUBBORN);
    let mut destroy = start(&sandbox, &["destroy"]);
    destroy.until(&["to do"]);
    destroy.signal("INT");
    destroy.until(&["interrupt again to stop at once"]);
    destroy.signal("TERM");
    let (code, told) = destroy.end();
    assert_eq!(code, Some(130), "{told:#?}");
    // At once: the stop, which takes longer, has not been waited for.
    assert!(!told.iter().any(|line| line.contains("stopped")), "{told:#?}");
    sandbox.apply();
    sandbox.assert_ready();
    sandbox.moat(&["destroy"]).ok();
}

#[test]
fn one_interrupt_is_for_all() {
    let before = Inventory::now();
    let load = Load::new(3, NEVER_READY);
    let mut apply = start(&load.sandbox, &["apply", "--wait-timeout", "60", FOLDER]);
    for agent in &load.agents {
        apply.until_each(agent, &["started", "buildkit"]);
    }
    apply.signal("INT");
    let (code, told) = apply.end();
    assert_eq!(code, Some(130), "{told:#?}");
    assert!(told.last().is_some_and(|line| line.starts_with("3 agents: 3 interrupted")), "{told:#?}");
    before.assert_unchanged(&load.sandbox.agent);
}

/// A replacement that is cut short: the older container is there, and the next apply goes on.
#[test]
fn a_later_apply_goes_on_from_where_it_was_stopped() {
    let sandbox = Sandbox::applied(DIND);
    sandbox.rewrite(NEVER_READY);
    let mut apply = start(&sandbox, &["apply", "--approve-all", "--json", "--wait-timeout", "60"]);
    apply.until(&["\"event\":\"started\"", "\"action\":\"await\""]);
    apply.signal("INT");
    let (code, told) = apply.end();
    assert_eq!(code, Some(130), "{told:#?}");
    sandbox.rewrite(DIND);
    sandbox.apply();
    sandbox.assert_ready();
    let filter = format!("label=moat.agent={}", sandbox.agent);
    assert_eq!(engine().list(&["ps", "-aq", "--filter", &filter]).len(), 2);
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
}

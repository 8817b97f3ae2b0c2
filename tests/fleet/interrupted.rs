//! Ctrl-C and SIGTERM during commands.

use testkit::engine::{Inventory, engine};
use testkit::sandbox::{DIND, Sandbox};

use crate::load::{FOLDER, Load};
use crate::running::Running;

/// A sidecar that is never ready, so that an apply waits.
const NEVER_READY: &str = "image: docker:dind\ndependencies:\n  - docker:dind\nbuildkit:\n  image: lab/silent\n";

/// A container that takes its whole grace period of ten seconds to stop.
const STUBBORN: &str = "image: busybox\ncommand: [sh, -c, \"trap '' TERM; while :; do sleep 1; done\"]\n";

fn start(sandbox: &Sandbox, args: &[&str]) -> Running {
    Running::start(sandbox.moat(args).command)
}

#[test]
fn an_interrupted_first_apply_is_rolled_back() {
    for signal in ["INT", "TERM"] {
        let before = Inventory::now();
        let sandbox = Sandbox::new(NEVER_READY);
        let mut apply = start(&sandbox, &["apply", "--json", "--wait-timeout", "60"]);
        apply.until(&["\"event\":\"started\"", "\"action\":\"await\""]);
        apply.signal(signal);
        let (code, reported) = apply.end();
        assert_eq!(code, Some(130), "{signal}: {reported:#?}");
        assert!(reported.iter().any(|line| line.contains("\"undoing\"")), "{reported:#?}");
        let done = reported.iter().rfind(|line| line.contains("\"event\":\"done\"")).expect("a last line");
        assert!(done.contains("\"code\":\"interrupted\""), "{done}");
        assert!(done.contains("\"outcome\":\"interrupted\"") && done.contains("\"remaining\":[]"), "{done}");
        before.assert_unchanged(&sandbox.agent);
    }
}

/// Existing resources stay, and the remaining ones are reported.
#[test]
fn an_interrupt_starts_nothing_new_and_reports_what_remains() {
    let before = Inventory::now();
    let sandbox = Sandbox::applied(STUBBORN);
    let mut destroy = start(&sandbox, &["destroy", "--json"]);
    destroy.until(&["\"event\":\"started\"", "\"action\":\"stop\""]);
    destroy.signal("INT");
    let (code, reported) = destroy.end();
    assert_eq!(code, Some(130), "{reported:#?}");
    let started = |action: &str| reported.iter().any(|it| it.contains("\"started\"") && it.contains(action));
    assert!(!started("\"action\":\"remove\""), "{reported:#?}");
    let finished = |line: &String| line.contains("\"succeeded\"") && line.contains("\"action\":\"stop\"");
    assert!(reported.iter().any(finished), "{reported:#?}");
    let run = sandbox.run_id();
    let remaining = format!("\"remaining\":[\"container moat-{run}\",\"network moat-{run}\"]");
    assert!(reported.iter().any(|line| line.contains(&remaining)), "{reported:#?}");
    sandbox.moat(&["destroy"]).ok();
    before.assert_unchanged(&sandbox.agent);
}

#[test]
fn a_second_signal_exits_at_once_and_the_next_apply_repairs() {
    let sandbox = Sandbox::applied(STUBBORN);
    let mut destroy = start(&sandbox, &["destroy"]);
    destroy.until(&["to do"]);
    destroy.signal("INT");
    destroy.until(&["interrupt again to exit immediately"]);
    destroy.signal("TERM");
    let (code, reported) = destroy.end();
    assert_eq!(code, Some(130), "{reported:#?}");
    // At once: it has not waited for the stop, which takes longer.
    assert!(!reported.iter().any(|line| line.contains("stopped")), "{reported:#?}");
    sandbox.apply();
    sandbox.assert_ready();
    sandbox.moat(&["destroy"]).ok();
}

#[test]
fn one_interrupt_stops_all_agents() {
    let before = Inventory::now();
    let load = Load::new(3, NEVER_READY);
    let mut apply = start(&load.sandbox, &["apply", "--wait-timeout", "60", FOLDER]);
    for agent in &load.agents {
        apply.until_each(agent, &["started", "buildkit"]);
    }
    apply.signal("INT");
    let (code, reported) = apply.end();
    assert_eq!(code, Some(130), "{reported:#?}");
    assert!(reported.last().is_some_and(|line| line.starts_with("3 agents: 3 interrupted")), "{reported:#?}");
    before.assert_unchanged(&load.sandbox.agent);
}

/// An interrupted replacement: the old container exists, and the next apply continues.
#[test]
fn a_later_apply_resumes() {
    let sandbox = Sandbox::applied(DIND);
    sandbox.rewrite(NEVER_READY);
    let mut apply = start(&sandbox, &["apply", "--approve-all", "--json", "--wait-timeout", "60"]);
    apply.until(&["\"event\":\"started\"", "\"action\":\"await\""]);
    apply.signal("INT");
    let (code, reported) = apply.end();
    assert_eq!(code, Some(130), "{reported:#?}");
    sandbox.rewrite(DIND);
    sandbox.apply();
    sandbox.assert_ready();
    let filter = format!("label=moat.agent={}", sandbox.agent);
    assert_eq!(engine().list(&["ps", "-aq", "--filter", &filter]).len(), 2);
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
}

//! Saved plans, applied on an engine.

use testkit::engine::engine;
use testkit::sandbox::{PLAIN, Sandbox};

/// A saved plan is applied like any plan, and only once.
#[test]
fn a_saved_plan_is_applied_once() {
    let sandbox = Sandbox::new(PLAIN);
    sandbox.moat(&["plan", "-o", "p.json"]).ok();
    assert_eq!(sandbox.find("main"), None);
    let ran = sandbox.moat(&["apply", "--wait-timeout", "60", "p.json"]).ok();
    assert!(ran.stderr.contains("is ready"), "{ran}");
    sandbox.assert_ready();
    let main = sandbox.main();
    let again = sandbox.moat(&["apply", "p.json"]).run();
    assert!(again.code == 1 && again.stderr.contains("its sandbox changed"), "{again}");
    // An empty plan can be saved too.
    sandbox.moat(&["plan", "-o", "p.json"]).ok();
    sandbox.moat(&["apply", "p.json"]).ok();
    assert_eq!(sandbox.main(), main);
}

/// After any change nothing is done, and the reason is reported.
#[test]
fn a_stale_plan_changes_nothing() {
    let sandbox = Sandbox::applied(PLAIN);
    let main = sandbox.main();
    sandbox.rewrite("image: busybox\nenv: {A: b}\n");
    sandbox.moat(&["plan", "-o", "p.json"]).ok();
    engine().docker(&["pause", &main]);
    let ran = sandbox.moat(&["apply", "p.json"]).run();
    assert!(ran.code == 1 && ran.stderr.contains("its sandbox changed"), "{ran}");
    assert_eq!(sandbox.inspect("main", "{{.State.Status}}"), "paused");
    engine().docker(&["unpause", &main]);
    // After reverting the change the plan is valid again.
    sandbox.rewrite("image: busybox\nenv: {A: c}\n");
    let ran = sandbox.moat(&["apply", "p.json"]).run();
    assert!(ran.code == 1 && ran.stderr.contains("its spec changed"), "{ran}");
    assert_eq!(sandbox.main(), main);
    sandbox.rewrite("image: busybox\nenv: {A: b}\n");
    sandbox.moat(&["apply", "p.json"]).ok();
    assert_ne!(sandbox.main(), main);
    assert_eq!(sandbox.sh_ok("echo $A"), "b");
}

/// A stale plan of one agent blocks all agents.
#[test]
fn one_stale_plan_blocks_all_agents() {
    let (one, two) = (Sandbox::new(PLAIN), Sandbox::new(PLAIN));
    let paths = [&one, &two].map(|it| it.path().display().to_string());
    one.moat(&["plan", "-o", "p.json", &paths[0], &paths[1]]).ok();
    two.rewrite("image: busybox\nenv: {A: b}\n");
    let ran = one.moat(&["apply", "p.json"]).run();
    assert!(ran.code == 1 && ran.stderr.contains(&format!("{}: its spec changed", two.agent)), "{ran}");
    assert_eq!((one.find("main"), two.find("main")), (None, None));
    two.rewrite(PLAIN);
    one.moat(&["apply", "p.json"]).ok();
    assert!(one.find("main").is_some() && two.find("main").is_some());
}

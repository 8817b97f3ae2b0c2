//! Destroy leaves the engine as it was, again and again.

use expect_test::expect;
use testkit::engine::Inventory;
use testkit::recorder::{Call, Recorder};
use testkit::sandbox::{DIND, PLAIN, Sandbox};

/// Each takes about a second.
const CYCLES: u32 = 20;

/// These bring two Docker engines up and down each.
const DIND_CYCLES: u32 = 3;

#[test]
fn the_build_cache_is_kept_and_named_and_goes_when_asked() {
    let before = Inventory::now();
    let sandbox = Sandbox::applied(DIND);
    assert_eq!(sandbox.volumes().len(), 2);
    expect![[r#"
        exit 0
        == stderr
        builder: 6 to do
          removed  container moat-R
          removed  container moat-buildkit-R
          removed  network moat-R
          removed  volume moat-R-docker
          stopped  container moat-R
          stopped  container moat-buildkit-R
        builder is gone
          kept  volume moat-R-buildkit-cache
          = help: `moat destroy --volumes` removes what was kept, with its data
    "#]]
    .assert_eq(&sandbox.moat(&["destroy"]).told());
    assert_eq!(sandbox.volumes(), [format!("moat-{}-buildkit-cache", sandbox.run_id())]);
    assert_eq!(sandbox.find("main"), None);

    let recorder = Recorder::new();
    expect![[r#"
        exit 0
        == stderr
        builder: nothing to destroy
          kept  volume moat-R-buildkit-cache
          = help: `moat destroy --volumes` removes what was kept, with its data
    "#]]
    .assert_eq(&sandbox.moat(&["destroy"]).docker_host(&recorder.host()).told());
    assert!(!recorder.take().iter().any(Call::changes));

    expect![[r#"
        exit 0
        == stderr
        builder: 1 to do
          removed  volume moat-R-buildkit-cache
        builder is gone
    "#]]
    .assert_eq(&sandbox.moat(&["destroy", "--volumes", "--yes"]).told());
    before.assert_unchanged(&sandbox.agent);
}

#[test]
fn a_cache_that_the_spec_discards_goes_with_the_sandbox() {
    let before = Inventory::now();
    let sandbox = Sandbox::applied(&format!("{DIND}buildkit:\n  cache: discard\n"));
    sandbox.moat(&["destroy"]).ok();
    before.assert_unchanged(&sandbox.agent);
}

#[test]
fn twenty_cycles_leak_nothing() {
    let before = Inventory::now();
    let sandbox = Sandbox::new(PLAIN);
    for _ in 0..CYCLES {
        sandbox.apply();
        sandbox.assert_ready();
        sandbox.moat(&["destroy"]).ok();
    }
    before.assert_unchanged(&sandbox.agent);
}

#[test]
fn cycles_with_a_docker_inside_leak_nothing() {
    let before = Inventory::now();
    let sandbox = Sandbox::new(DIND);
    for _ in 0..DIND_CYCLES {
        sandbox.apply();
        sandbox.assert_ready();
        sandbox.moat(&["destroy"]).ok();
    }
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    before.assert_unchanged(&sandbox.agent);
}

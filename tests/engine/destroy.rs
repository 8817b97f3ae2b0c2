//! Destroy leaves nothing on the engine, in repeated cycles.

use expect_test::expect;
use testkit::engine::Inventory;
use testkit::recorder::{Call, Recorder};
use testkit::sandbox::{DIND, PLAIN, Sandbox};

/// Each takes about a second.
const CYCLES: u32 = 20;

/// Each starts and stops two Docker engines.
const DIND_CYCLES: u32 = 3;

#[test]
fn the_build_cache_is_kept_unless_its_removal_is_requested() {
    let before = Inventory::now();
    let sandbox = Sandbox::applied(DIND);
    assert_eq!(sandbox.volumes().len(), 3);
    expect![[r#"
        exit 0
        == stderr
        builder: 7 to do
          removed  container moat-R
          removed  container moat-buildkit-R
          removed  network moat-R
          removed  volume moat-R-buildkit-socket
          removed  volume moat-R-docker
          stopped  container moat-R
          stopped  container moat-buildkit-R
        builder is gone
          kept  volume moat-R-buildkit-cache
          = help: `moat destroy --volumes` removes the kept volumes and their data
    "#]]
    .assert_eq(&sandbox.moat(&["destroy"]).transcript());
    assert_eq!(sandbox.volumes(), [format!("moat-{}-buildkit-cache", sandbox.run_id())]);
    assert_eq!(sandbox.find("main"), None);

    let recorder = Recorder::new();
    expect![[r#"
        exit 0
        == stderr
        builder: nothing to destroy
          kept  volume moat-R-buildkit-cache
          = help: `moat destroy --volumes` removes the kept volumes and their data
    "#]]
    .assert_eq(&sandbox.moat(&["destroy"]).docker_host(&recorder.host()).transcript());
    assert!(!recorder.take().iter().any(Call::changes));

    expect![[r#"
        exit 0
        == stderr
        builder: 1 to do
          removed  volume moat-R-buildkit-cache
        builder is gone
    "#]]
    .assert_eq(&sandbox.moat(&["destroy", "--volumes", "--yes"]).transcript());
    before.assert_unchanged(&sandbox.agent);
}

#[test]
fn a_discarded_cache_is_removed_with_the_sandbox() {
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
fn cycles_with_an_inner_docker_leak_nothing() {
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

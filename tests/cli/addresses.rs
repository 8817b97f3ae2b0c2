//! An engine that refuses every address range.

use expect_test::expect;
use testkit::empty_engine::EmptyEngine;
use testkit::hermetic::Place;

#[test]
fn exhausted_ranges_are_reported_without_endless_retries() {
    let engine = EmptyEngine::without_addresses();
    let place = Place::with("agent: builder\nimage: busybox\n").at(&engine.address());
    let ran = place.run(&["apply", "--subnets", "10.83.0.0/27"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    expect![[r#"
        builder: 4 to do
          failed    creating network moat-builder-1f2e3d4c
          skipped   container moat-builder-1f2e3d4c, which needs network moat-builder-1f2e3d4c
        builder: checked again, 4 more to do
          failed    creating network moat-builder-1f2e3d4c
          skipped   container moat-builder-1f2e3d4c, which needs network moat-builder-1f2e3d4c
        builder: checked again, 4 more to do
          failed    creating network moat-builder-1f2e3d4c
          skipped   container moat-builder-1f2e3d4c, which needs network moat-builder-1f2e3d4c
        builder: checked again, 4 more to do
          failed    creating network moat-builder-1f2e3d4c
          skipped   container moat-builder-1f2e3d4c, which needs network moat-builder-1f2e3d4c
        error: cannot create network `moat-builder-1f2e3d4c`: pool overlaps with other one on this address space
          = help: no address range is left in moat's pool or the engine's: set another one with `--subnets`, or remove unused networks (`moat list`, `docker network prune`)
        nothing was changed; `moat apply` retries
    "#]].assert_eq(&ran.err);
}

/// The default range has thousands more; a few are enough.
#[test]
fn retries_in_a_large_range_are_limited() {
    let engine = EmptyEngine::without_addresses();
    let place = Place::with("agent: builder\nimage: busybox\n").at(&engine.address());
    let ran = place.run(&["apply"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert_eq!(ran.err.matches("checked again").count(), 7, "{}", ran.err);
    let hint = "is in use, though the engine does not list it: set another range with `--subnets`";
    assert!(ran.err.contains(hint), "{}", ran.err);
}

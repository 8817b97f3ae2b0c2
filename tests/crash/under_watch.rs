//! The engine crashes during a watch, and comes back with all containers exited.

use testkit::engine::Inventory;
use testkit::owner;
use testkit::run::until;
use testkit::sandbox::{DIND, PLAIN, Sandbox};
use testkit::watched::Watched;

use crate::restarted::restart_engine;

/// The watch starts the containers that the engine does not restart.
#[test]
fn watch_starts_containers_that_the_engine_left_exited() {
    let _alone = owner::exclusive();
    let before = Inventory::now();
    let sandbox = Sandbox::new(&format!("{PLAIN}restart: \"no\"\n"));
    let mut watch = Watched::new(&sandbox, &[]);
    let main = sandbox.main();
    watch.events.clear();
    restart_engine();
    watch.wait_for("engine-lost");
    watch.wait_for("engine-back");
    watch.wait_for("settled");
    assert_eq!(watch.done(), ["start container/main", "await container/main"]);
    assert_eq!(sandbox.main(), main, "the same container");
    sandbox.assert_ready();
    watch.end();
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    before.assert_unchanged(&sandbox.agent);
}

#[test]
fn an_inner_docker_recovers() {
    let _alone = owner::exclusive();
    let sandbox = Sandbox::new(DIND);
    let mut watch = Watched::new(&sandbox, &[]);
    restart_engine();
    watch.wait_for("engine-back");
    // Whether the engine or the watch has started them, they become ready.
    assert!(until(|| sandbox.status()["state"] == "ready"), "{:#}", sandbox.status());
    sandbox.sh_ok("echo FROM scratch | docker build -q -");
    watch.end();
}

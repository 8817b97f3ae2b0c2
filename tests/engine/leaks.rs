//! The leak checks detect leaks.

use testkit::engine::{Inventory, engine};
use testkit::sandbox::{PLAIN, Sandbox};

/// Leaks of all kinds are detected.
#[test]
fn leaks_are_detected() {
    let before = Inventory::now();
    let sandbox = Sandbox::new(PLAIN);
    let name = format!("leak-{}", sandbox.agent);
    let leaks = || before.difference(&sandbox.agent);
    engine().docker(&["create", "--name", &name, "--volume", "/data", "busybox"]);
    engine().docker(&["network", "create", &name]);
    engine().docker(&["volume", "create", &name]);
    let volume = engine().docker(&["inspect", "--format", "{{range .Mounts}}{{.Name}}{{end}}", &name]);
    let seen = leaks();
    for kind in ["new: container", "new: network", "new: volume"] {
        assert!(seen.iter().any(|line| line.starts_with(kind) && line.contains(&name)), "{kind} in {seen:#?}");
    }
    // Without its container an anonymous volume has no owner.
    engine().docker(&["rm", &name]);
    let seen = leaks();
    assert!(seen.iter().any(|line| line.contains(&volume)), "{volume} in {seen:#?}");
    engine().docker(&["volume", "rm", &volume]);
    engine().docker(&["volume", "rm", &name]);
    engine().docker(&["network", "rm", &name]);
    before.assert_unchanged(&sandbox.agent);
}

//! A watch updates the record of the run, as an apply does.

use std::fs;

use serde_json::Value;
use testkit::engine::engine;
use testkit::sandbox::{PLAIN, Sandbox};
use testkit::watched::Watched;

fn record(sandbox: &Sandbox) -> Value {
    let folder = sandbox.home().join(".local/state/moat/runs");
    let engine = fs::read_dir(folder).expect("a folder").next().expect("an engine").expect("an entry").path();
    let file = engine.join(format!("{}.json", sandbox.run_id()));
    serde_json::from_str(&fs::read_to_string(file).expect("a record")).expect("a document")
}

#[test]
fn watch_updates_the_history_like_apply() {
    let sandbox = Sandbox::new(PLAIN);
    let mut watch = Watched::new(&sandbox, &[]);
    let first = record(&sandbox);
    assert_eq!((&first["state"], &first["error"]), (&"ready".into(), &Value::Null), "{first:#}");
    assert_eq!(first["container_id"], sandbox.main());
    assert!(first["started_at"].is_string() && first["created_at"].is_string(), "{first:#}");

    // The repaired container has another id and start time.
    engine().docker(&["rm", "--force", &sandbox.main()]);
    watch.settles();
    let repaired = record(&sandbox);
    assert_ne!(repaired["container_id"], first["container_id"]);
    assert_eq!(repaired["container_id"], sandbox.main());
    assert!(repaired["started_at"].as_str() > first["started_at"].as_str(), "{repaired:#}");
    assert_eq!(repaired["created_at"], first["created_at"], "the run is the same");

    // The reason of a failure stays until the next success.
    sandbox.rewrite("image: busybox\ncommand: [no-such-program]\n");
    watch.wait_for("unsettled");
    let failed = record(&sandbox);
    assert_eq!(failed["error"]["code"], "container-exited", "{failed:#}");
    assert_eq!(failed["container_id"], sandbox.main(), "the old one is back");
    sandbox.rewrite("image: busybox\nenv: { A: b }\n");
    watch.settles();
    let repaired = record(&sandbox);
    assert_eq!((&repaired["state"], &repaired["error"]), (&"ready".into(), &Value::Null), "{repaired:#}");
    assert_eq!(repaired["container_id"], sandbox.main());
    watch.end();
}

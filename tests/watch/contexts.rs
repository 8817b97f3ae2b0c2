//! `moat watch` and `moat status` on several Docker contexts.

use std::fs;

use moat_model::resource::digest::sha256;
use serde_json::Value;
use testkit::empty_engine::EmptyEngine;
use testkit::engine::engine;
use testkit::proxy::Proxy;
use testkit::sandbox::{PLAIN, Sandbox};
use testkit::watched::Watched;

fn add_context(sandbox: &Sandbox, name: &str, host: &str) {
    let folder = sandbox.home().join(".docker/contexts/meta").join(sha256(name));
    fs::create_dir_all(&folder).expect("a folder");
    let meta = format!(r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
    fs::write(folder.join("meta.json"), meta).expect("written");
}

/// The next event of a kind on a context.
fn wait_for(watch: &mut Watched, kind: &str, context: &str) -> Value {
    loop {
        let event = watch.wait_for(kind);
        if event["context"] == context {
            return event;
        }
    }
}

#[test]
fn a_watch_follows_a_sandbox_where_it_is() {
    let sandbox = Sandbox::applied(PLAIN);
    let (empty, folder) = (EmptyEngine::start(), tempfile::tempdir().expect("a folder"));
    let proxy = Proxy::new(folder.path(), &engine().host);
    proxy.cut();
    add_context(&sandbox, "lab", &engine().host);
    add_context(&sandbox, "same", &engine().host);
    add_context(&sandbox, "empty", &empty.address());
    add_context(&sandbox, "late", &proxy.host());
    let mut watch = Watched::begun(&sandbox, &["--context", "late,empty,lab,same"]);
    // One context does not answer, and the sandbox is in sync on another.
    wait_for(&mut watch, "engine-lost", "late");
    wait_for(&mut watch, "settled", "lab");
    engine().docker(&["rm", "--force", &sandbox.main()]);
    let repaired = wait_for(&mut watch, "settled", "lab");
    assert_eq!(repaired["agent"], sandbox.agent, "{repaired:#}");
    sandbox.main();
    // The other one answers: the sandbox is found there as well.
    proxy.restore_connection();
    wait_for(&mut watch, "engine-back", "late");
    wait_for(&mut watch, "settled", "late");
    let contexts: Vec<&Value> = watch.events.iter().map(|event| &event["context"]).collect();
    assert!(contexts.iter().all(|it| **it == "late" || **it == "lab"), "{contexts:?}");
    watch.end();

    let status = sandbox.moat(&["status", "--json", "--context", "empty,lab"]).ok().stdout;
    let status: Value = serde_json::from_str(&status).expect("a document");
    assert_eq!(status.as_array().map(Vec::len), Some(1), "{status:#}");
    assert_eq!((&status[0]["context"], &status[0]["state"]), (&"lab".into(), &"ready".into()), "{status:#}");
}

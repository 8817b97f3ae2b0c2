//! Repairs of changes made with docker during a watch.

use std::time::Duration;

use testkit::engine::engine;
use testkit::proxy::Proxy;
use testkit::sandbox::{DIND, PLAIN, Sandbox};
use testkit::watched::Watched;

/// A harm to a container, and the repair by the watch.
const DAMAGES: [(&[&str], &str); 5] = [
    (&["kill"], "start container/main, await container/main"),
    (&["stop", "--time", "0"], "start container/main, await container/main"),
    (&["pause"], "unpause container/main, await container/main"),
    (&["rm", "--force"], "create container/main, start container/main, await container/main"),
    (&["rename", "", "moat-harmed-"], "rename container/main"),
];

#[test]
fn each_damage_to_a_container_is_repaired_alone() {
    let sandbox = Sandbox::new(PLAIN);
    let mut watch = Watched::new(&sandbox, &[]);
    for (words, repair) in DAMAGES {
        let main = sandbox.main();
        let other = format!("moat-harmed-{}", sandbox.agent);
        let mut call: Vec<&str> = words.iter().map(|word| if word.is_empty() { main.as_str() } else { word }).collect();
        match words.last() {
            Some(&"moat-harmed-") => *call.last_mut().expect("it has words") = &other,
            _ => call.push(&main),
        }
        engine().docker(&call);
        assert_eq!(watch.settles().join(", "), repair, "{words:?}");
        sandbox.assert_ready();
    }
    assert_eq!(watch.quiet(), [serde_json::Value::Null; 0], "and then nothing");
    watch.ends_within(Duration::from_secs(10));
    sandbox.assert_ready();
}

#[test]
fn a_removed_network_is_recreated() {
    let sandbox = Sandbox::new(PLAIN);
    let mut watch = Watched::new(&sandbox, &[]);
    let network = format!("moat-{}", sandbox.run_id());
    engine().docker(&["network", "disconnect", "--force", &network, &sandbox.main()]);
    assert_eq!(watch.settles().join(", "), "connect container/main");
    let before = engine().docker(&["network", "inspect", "--format", "{{.Id}}", &network]);
    // A network in use cannot be removed: the container goes first, while the watch cannot recreate it.
    watch.signal(rustix::process::Signal::STOP);
    engine().docker(&["rm", "--force", &sandbox.main()]);
    engine().docker(&["network", "rm", &network]);
    watch.signal(rustix::process::Signal::CONT);
    watch.settles();
    sandbox.assert_ready();
    assert_ne!(engine().docker(&["network", "inspect", "--format", "{{.Id}}", &network]), before);
}

/// It is asked over its network, and gets more time than any test waits.
#[test]
fn a_service_disconnected_during_the_wait_is_reconnected() {
    let ready = "test -e /go && ip route | grep -q default";
    let service = format!(
        "services: {{db: {{image: busybox, command: sleep 1000, wait: {{command: '{ready}', timeout: 600s}}}}}}\n"
    );
    let sandbox = Sandbox::new(&format!("{PLAIN}{service}"));
    let mut watch = Watched::begun(&sandbox, &[]);
    loop {
        let operation = &watch.wait_for("started")["operation"];
        if (&operation["action"], &operation["resource"]) == (&"await".into(), &"container/db".into()) {
            break;
        }
    }
    engine().docker(&["network", "disconnect", "--force", &format!("moat-{}", sandbox.run_id()), &sandbox.id("db")]);
    sandbox.docker_exec("db", &["touch", "/go"]);
    watch.wait_for("settled");
    let done = watch.done();
    assert!(done.contains(&"connect container/db".to_owned()), "{done:?}");
    assert!(!done.contains(&"restart container/db".to_owned()), "{done:?}");
    sandbox.assert_ready();
}

#[test]
fn every_part_of_a_builder_is_repaired() {
    let sandbox = Sandbox::new(DIND);
    let mut watch = Watched::new(&sandbox, &[]);
    engine().docker(&["kill", &sandbox.sidecar()]);
    let done = watch.settles();
    assert_eq!(done.join(", "), "start container/buildkit, await container/buildkit");
    engine().docker(&["rm", "--force", &sandbox.sidecar()]);
    let done = watch.settles();
    assert!(done.iter().all(|it| it.ends_with("container/buildkit")), "{done:?}");
    let main = sandbox.main();
    engine().docker(&["kill", &main]);
    watch.settles();
    assert_eq!(sandbox.main(), main, "the same container");
    sandbox.sh_ok("echo FROM scratch | docker build -q -");
}

#[test]
fn drift_during_a_lost_connection_is_found() {
    let sandbox = Sandbox::new(PLAIN);
    let proxy = Proxy::new(sandbox.path(), &engine().host);
    let mut moat = sandbox.moat(&["watch", "--json"]).docker_host(&proxy.host()).command;
    let child = moat.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped()).spawn();
    let mut watch = Watched::of(child.expect("moat runs"), "settled");
    proxy.cut();
    watch.wait_for("engine-lost");
    engine().docker(&["rm", "--force", &sandbox.main()]);
    proxy.restore_connection();
    watch.events.clear();
    watch.wait_for("engine-back");
    watch.wait_for("settled");
    let done = watch.done();
    assert_eq!(done.join(", "), "create container/main, start container/main, await container/main");
}

#[test]
fn a_stopped_sandbox_stays_stopped() {
    let sandbox = Sandbox::new(PLAIN);
    let mut watch = Watched::new(&sandbox, &[]);
    sandbox.moat(&["stop", "--lock-timeout", "20"]).ok();
    watch.quiet();
    assert_eq!(sandbox.status()["state"], "stopped");
    sandbox.moat(&["start", "--lock-timeout", "20"]).ok();
    watch.quiet();
    sandbox.assert_ready();
}

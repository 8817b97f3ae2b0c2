//! Repairs of a sandbox with a network policy during a watch: the gateway, and ways around it.

use testkit::engine::engine;
use testkit::sandbox::Sandbox;
use testkit::watched::Watched;

const STRICT: &str = "image: busybox\nnetwork: { policy: strict, rules: [allowed.example] }\n";

#[test]
fn a_killed_gateway_restarts_with_its_rules_and_main_continues() {
    let sandbox = Sandbox::new(STRICT);
    let mut watch = Watched::new(&sandbox, &[]);
    let before = sandbox.inspect("main", "{{.Id}} {{.State.StartedAt}}");
    engine().docker(&["kill", &sandbox.id("gateway")]);
    // The rules are set while its readiness is awaited, and either can end first.
    let mut done = watch.settles();
    done.sort();
    assert_eq!(done, ["await container/gateway", "set policy/gateway", "start container/gateway"]);
    sandbox.assert_ready();
    assert_eq!(sandbox.inspect("main", "{{.Id}} {{.State.StartedAt}}"), before);
    watch.end();
}

#[test]
fn a_container_that_is_connected_elsewhere_is_disconnected() {
    let sandbox = Sandbox::new(STRICT);
    let mut watch = Watched::new(&sandbox, &[]);
    engine().docker(&["network", "connect", "bridge", &sandbox.main()]);
    assert_eq!(watch.settles(), ["disconnect container/main"]);
    sandbox.assert_ready();
    assert_eq!(watch.quiet(), [serde_json::Value::Null; 0], "and then nothing");
    watch.end();
}

/// A look asks the gateway by an exec, and the end of an exec is an event: it must not cause another look.
#[test]
fn other_rules_are_held_until_they_are_approved() {
    let sandbox = Sandbox::new(STRICT);
    let mut watch = Watched::new(&sandbox, &[]);
    sandbox.rewrite("image: busybox\nnetwork: { policy: strict, rules: [allowed.example, other.example] }\n");
    watch.wait_for("held");
    let policy = sandbox.docker_exec("gateway", &["/moat", "gateway", "status", "--state", "/var/lib/moat"]);
    assert!(!policy.contains("other.example"), "{policy}");
    sandbox.moat(&["approve", "--yes"]).ok();
    assert_eq!(watch.settles(), ["set policy/gateway"]);
    let policy = sandbox.docker_exec("gateway", &["/moat", "gateway", "status", "--state", "/var/lib/moat"]);
    assert!(policy.contains("other.example"), "{policy}");
    assert_eq!(watch.quiet(), [serde_json::Value::Null; 0], "and then nothing");
    watch.end();
}

#[test]
fn a_gateway_that_was_restarted_gets_its_credentials_again_and_a_revoked_one_stays_revoked() {
    let sandbox = Sandbox::new(
        "image: busybox\nnetwork: { policy: strict }\ngrants: [{ github: { source: 'file://../token' } }]\n",
    );
    std::fs::write(sandbox.home().join("token"), "ghp_x").expect("a file");
    let mut watch = Watched::new(&sandbox, &[]);
    let before = sandbox.inspect("main", "{{.Id}} {{.State.StartedAt}}");
    engine().docker(&["kill", &sandbox.id("gateway")]);
    let repaired = ["await container/gateway", "set policy/gateway", "start container/gateway", "unlock grant/github"];
    let mut done = watch.settles();
    done.sort();
    assert_eq!(done, repaired);
    std::fs::write(sandbox.home().join("token"), "ghp_y").expect("a file");
    assert_eq!(watch.settles(), ["unlock grant/github"], "another value");
    sandbox.moat(&["grants", "revoke", "github"]).ok();
    assert_eq!(watch.quiet(), [serde_json::Value::Null; 0], "nothing restores it");
    sandbox.assert_ready();
    assert_eq!(sandbox.inspect("main", "{{.Id}} {{.State.StartedAt}}"), before);
    watch.end();
}

/// A denial is an event, once for each host.
#[test]
fn denied_hosts_are_reported_once() {
    let sandbox = Sandbox::new(STRICT);
    let mut watch = Watched::new(&sandbox, &[]);
    for _ in 0..3 {
        sandbox.sh("wget -T 5 -qO- http://evil.example; wget -T 5 -qO- http://bad.example");
    }
    let mut hosts: Vec<String> = Vec::new();
    while hosts.len() < 2 {
        let event = watch.wait_for("denied");
        hosts.extend(event["hosts"].as_array().expect("hosts").iter().map(|it| it.as_str().expect("text").to_owned()));
    }
    // A name may be reported before its connection is.
    hosts.retain(|host| host.ends_with(":80"));
    hosts.sort();
    hosts.dedup();
    assert!(hosts.iter().all(|it| ["bad.example:80", "evil.example:80"].contains(&it.as_str())), "{hosts:?}");
    sandbox.sh("wget -T 5 -qO- http://evil.example; wget -T 5 -qO- http://third.example");
    let event = watch.wait_for("denied");
    assert!(!event["hosts"].to_string().contains("evil.example:80"), "{event}");
    watch.end();
}

/// Nothing on the engine shows that names lead past the gateway: only the proof does. It is tried again, so that a sandbox
/// that is repaired by hand is in sync without an edit.
#[test]
fn a_failed_proof_is_shown_and_tried_again() {
    let sandbox = Sandbox::new(
        "image: busybox\nnetwork: { policy: strict, extra_hosts: { ready.moat.internal: 203.0.113.1 } }\n",
    );
    let mut watch = Watched::begun(&sandbox, &[]);
    for _ in 0..2 {
        let event = watch.wait_for("unsettled");
        assert_eq!(event["failures"][0]["code"], "policy-unproven", "{event}");
        assert!(event["again_ms"].as_u64().is_some_and(|pause| pause >= 500), "the next try is announced: {event}");
    }
    let status = sandbox.moat(&["status"]).run().stdout;
    assert!(status.contains(": degraded") && status.contains("the network policy is not in force"), "{status}");
    // The address in the way is gone, until the container is started again.
    sandbox.sh("grep -v moat.internal /etc/hosts >/tmp/hosts; cat /tmp/hosts >/etc/hosts");
    watch.wait_for("settled");
    sandbox.assert_ready();
    watch.end();
}

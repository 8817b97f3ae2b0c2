//! The failure codes for scripts, for all failures that can be caused on a real engine.

use std::fs;

use serde_json::Value;
use testkit::engine::{Inventory, engine};
use testkit::run::Ran;
use testkit::sandbox::{PLAIN, Sandbox};

/// The last event of a command, which must be a failure.
fn done(ran: &Ran) -> Value {
    let last = ran.stdout.lines().last().unwrap_or_default();
    let done: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}\n{ran}"));
    assert!(done["event"] == "done" && done["outcome"] != "converged", "{ran}");
    done
}

/// Applies a failing spec, and returns the code and the last event. Nothing may remain.
fn fails(spec: &str, args: &[&str]) -> (String, Value) {
    let before = Inventory::now();
    let sandbox = Sandbox::new(spec);
    let ran = sandbox.moat(&[&["apply", "--json"], args].concat()).run();
    let done = done(&ran);
    before.assert_unchanged(&sandbox.agent);
    (code(&done), done)
}

fn code(done: &Value) -> String {
    let failures = done["failures"].as_array().into_iter().flatten();
    assert!(failures.clone().all(|failure| failure["code"].is_string()), "{done:#}");
    done["code"].as_str().unwrap_or_else(|| panic!("no code in {done:#}")).to_owned()
}

#[test]
fn images() {
    assert_eq!(fails("image: 127.0.0.1:1/none:1\n", &[]).0, "registry-unreachable");
    assert_eq!(fails("image: 10.213.213.1:5000/lab/none:1\n", &[]).0, "image-not-found");
}

#[test]
fn a_container_that_exits() {
    let (code, done) = fails("image: busybox\ncommand: echo no good >&2; exit 3\n", &[]);
    assert_eq!(code, "container-exited");
    let failure = &done["failures"][0];
    assert_eq!((&failure["exit_code"], &failure["log"]), (&3.into(), &serde_json::json!(["no good"])), "{done:#}");
    // The rollback is reported like a plan, and the next steps as commands.
    let undid: Vec<_> = done["undid"].as_array().expect("a list").iter().map(|it| it["action"].clone()).collect();
    assert!(done["undone"] == true && undid.contains(&"remove".into()), "{done:#}");
    assert_eq!(done["next"], serde_json::json!(["moat apply --keep-on-failure"]));
}

#[test]
fn out_of_memory() {
    let spec = "image: busybox\ncommand: [tail, /dev/zero]\ncontainer: { memory: 16m }\n";
    let (code, done) = fails(spec, &[]);
    assert_eq!(code, "out-of-memory", "{done:#}");
    assert_eq!(done["failures"][0]["hint"], "raise `container.memory`");
}

#[test]
fn a_failing_probe_and_a_hanging_probe() {
    let silent = "image: docker:dind\ndependencies: [docker:dind]\nbuildkit:\n  image: lab/silent\n";
    let (code, done) = fails(silent, &["--wait-timeout", "1"]);
    assert_eq!(code, "probe-failed");
    let probe = &done["failures"][0]["probe"];
    let command = "sh -c chmod 666 /run/buildkit/buildkitd.sock && exec buildctl debug workers";
    assert_eq!((&probe["command"], &probe["exit_code"]), (&command.into(), &1.into()), "{done:#}");
    assert!(probe["output"].as_str().is_some_and(|output| output.contains("buildkitd.sock")), "{done:#}");

    let hangs = "image: busybox\nservices:\n  slow:\n    image: busybox\n    command: [sleep, infinity]\n    wait: { command: [sleep, '60'] }\n";
    let (code, done) = fails(hangs, &["--wait-timeout", "1"]);
    assert_eq!(code, "readiness-timeout");
    let probe = serde_json::json!({ "command": "sleep 60", "exit_code": null, "output": null });
    assert_eq!(done["failures"][0]["probe"], probe, "{done:#}");
}

#[test]
fn names_ports_and_subnets_in_use() {
    let sandbox = Sandbox::new(PLAIN);
    let name = format!("moat-{}", sandbox.run_id());
    engine().docker(&["network", "create", "--subnet", "10.119.77.0/28", &name]);
    assert_eq!(code(&done(&sandbox.moat(&["apply", "--json"]).run())), "name-conflict");
    let taken = "image: busybox\nnetwork: { subnet: 10.119.77.0/28 }\n";
    assert_eq!(fails(taken, &[]).0, "address-overlap");

    let holder = format!("port-{}", sandbox.agent);
    engine().docker(&["run", "-d", "--name", &holder, "-p", "127.0.0.1::80", "busybox", "sleep", "1000"]);
    let address = engine().docker(&["port", &holder, "80"]);
    let port = address.rsplit(':').next().expect("a port");
    assert_eq!(fails(&format!("image: busybox\nports: ['{port}:80']\n"), &[]).0, "port-taken");
}

#[test]
fn a_missing_mount_source() {
    let sandbox = Sandbox::new("image: busybox\nmounts: ['/moat-nowhere:/data']\n");
    let ran = sandbox.moat(&["apply", "--json"]).run();
    assert_eq!(code(&done(&ran)), "mount-source-missing", "{ran}");
}

#[test]
fn a_build_that_fails() {
    let spec = "base_image: lab/base\ndependencies: [git]\nhooks: { post_build: 'false' }\n";
    assert_eq!(fails(spec, &[]).0, "build-failed");
}

#[test]
fn a_request_that_the_engine_refuses() {
    // More processors than any host has.
    let (code, done) = fails("image: busybox\ncontainer: { cpus: 100000 }\n", &[]);
    assert_eq!(code, "engine-refused", "{done:#}");
}

#[test]
fn failures_before_any_change() {
    let sandbox = Sandbox::new(PLAIN);
    let nowhere = format!("unix://{}/none.sock", sandbox.path().display());
    let reported = |ran: Ran| (code(&done(&ran)), done(&ran)["error"]["code"].clone());
    let both = |code: &str| (code.to_owned(), Value::from(code));
    let ran = sandbox.moat(&["apply", "--json"]).docker_host(&nowhere).run();
    assert_eq!(reported(ran), both("engine-unreachable"));

    sandbox.rewrite("imag: busybox\n");
    assert_eq!(reported(sandbox.moat(&["apply", "--json"]).run()), both("spec-invalid"));
    sandbox.rewrite(PLAIN);
    assert_eq!(reported(sandbox.moat(&["stop", "--json"]).run()), both("not-running"));
    assert_eq!(reported(sandbox.moat(&["stop", "--json", "nobody-is-called-so"]).run()), both("unknown-name"));

    // A file in place of the folder of the audit log.
    fs::write(sandbox.path().join("file"), "").expect("a file");
    let mut refused = sandbox.moat(&["apply", "--json"]);
    refused.command.env("MOAT_STATE_DIR", sandbox.path().join("file"));
    assert_eq!(reported(refused.run()), both("audit-refused"));
    assert_eq!(sandbox.find("main"), None);
}

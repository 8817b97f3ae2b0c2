//! The audit log: every change of the engine, observed at its socket, has an intent before it.

use std::fs;
use std::process::Command;

use expect_test::expect;
use serde_json::Value;
use testkit::engine::engine;
use testkit::recorder::Recorder;
use testkit::run::run;
use testkit::sandbox::{DIND, PLAIN, Sandbox};

/// The entries of the log, without variable values.
fn reported(sandbox: &Sandbox) -> String {
    let ran = sandbox.moat(&["audit", "--json"]).ok();
    let rows: Vec<Value> = serde_json::from_str(&ran.stdout).expect("a document");
    let line = |row: &Value| {
        let data =
            row["data"].as_object().expect("an object").iter().filter(|(key, _)| *key != "key" && *key != "config");
        let mut data: Vec<String> = data.map(|(key, value)| format!("{key}={value}")).collect();
        let more = row["came_of_it"].as_object().into_iter().flatten();
        data.extend(more.map(|(key, value)| format!("then {key}={value}")));
        let text = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}: {}\n", text("command"), text("event"), text("result"), data.join(" "))
    };
    let text: String = rows.iter().map(line).collect();
    let subnet = text.find("subnet=").map(|at| text[at..].split(' ').next().unwrap_or_default().to_owned());
    let text = subnet.map_or(text.clone(), |subnet| text.replace(&subnet, "subnet=SUBNET"));
    testkit::text::without_ids(&text.replace(&sandbox.run_id(), "R").replace(&sandbox.agent, "builder"))
}

#[test]
fn every_change_is_in_the_audit_log() {
    let sandbox = Sandbox::new(PLAIN);
    engine().docker(&["pull", "--quiet", "busybox"]);
    let recorder = Recorder::new();
    sandbox.moat(&["apply"]).docker_host(&recorder.host()).ok();
    // A probe changes nothing.
    let is_probe = |path: &str| path.ends_with("/exec") || path.starts_with("/exec/");
    let changes = recorder.take().iter().filter(|call| call.changes() && !is_probe(&call.path)).count();
    sandbox.moat(&["exec", "-e", "TOKEN=s3cret", "--", "sh", "-c", "echo s3cret; exit 3"]).run();
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    let text = reported(&sandbox);
    expect![[r#"
        apply log_started -: 
        apply docker_network_created done: internal=false network="moat-R" subnet=SUBNET then network_id="ID"
        apply container_created done: buildkit_enabled=false image="busybox" name="moat-R" privileged=false resource="container/main" then id="ID"
        apply container_started done: name="moat-R" resource="container/main" then id="ID"
        exec exec_run done: arguments=2 command_sha256="ID" environment=["TOKEN"] id="ID" program="sh" resource="container/main" tty=false then exit_code=3
        destroy consent_given -: how="--yes" to_lose="volumes"
        destroy container_stopped done: id="ID" name="moat-R" resource="container/main"
        destroy container_removed done: id="ID" name="moat-R" resource="container/main"
        destroy docker_network_removed done: network="moat-R" network_id="ID"
    "#]]
    .assert_eq(&text);
    // The whole plan is in the log before its first call.
    let entries = fs::read_to_string(log(&sandbox)).expect("a log");
    let phase =
        |line: &str| serde_json::from_str::<Value>(line).expect("an entry")["phase"].as_str().map(str::to_owned);
    let phases: Vec<String> = entries.lines().take(7).filter_map(phase).collect();
    assert_eq!(phases.join(" "), "fact intent intent intent outcome outcome outcome");
    let on_record = text.lines().filter(|line| line.starts_with("apply ") && line.contains(" done:")).count();
    assert_eq!(on_record, changes, "at the engine's socket");
    assert!(!fs::read_to_string(log(&sandbox)).expect("a log").contains("s3cret"));
    let verified = sandbox.moat(&["audit", "verify"]).ok().stdout;
    assert!(verified.starts_with("16 entries, all intact\nkey "), "{verified}");
    // The log can be exported.
    let exported = sandbox.moat(&["audit", "export", "audit.tar"]).ok().stdout;
    let elsewhere = Sandbox::new(PLAIN);
    let bundle = sandbox.path().join("audit.tar");
    let bundle = bundle.to_str().expect("text");
    let key = exported.lines().find_map(|line| line.strip_prefix("key ")).expect("a key");
    elsewhere.moat(&["audit", "verify", bundle, "--key", key]).ok();
    let other = "0".repeat(64);
    assert_eq!(elsewhere.moat(&["audit", "verify", bundle, "--key", &other]).run().code, 1);
    // Tampering is detected.
    let forged = fs::read_to_string(log(&sandbox)).expect("a log").replace("\"exit_code\":3", "\"exit_code\":0");
    fs::write(log(&sandbox), forged).expect("written");
    expect![[r#"
        exit 1
        == stdout
        broken: entry 9: changed: the hash does not match the bytes
    "#]]
    .assert_eq(&sandbox.moat(&["audit", "verify"]).transcript());
}

/// Operations that a failed plan did not attempt leave no open intents.
#[test]
fn operations_never_attempted_are_skipped() {
    let sandbox = Sandbox::new("image: 127.0.0.1:1/none:1\n");
    assert_eq!(sandbox.moat(&["apply"]).run().code, 1);
    let text = reported(&sandbox);
    let without_words =
        text.lines().map(|line| format!("{}\n", line.split(" then message=").next().unwrap_or_default()));
    expect![[r#"
        apply log_started -: 
        apply image_pulled failed: image="127.0.0.1:1/none:1" then fault="pull"
        apply docker_network_created done: internal=false network="moat-R" subnet=SUBNET then network_id="ID"
        apply container_created skipped: buildkit_enabled=false image="127.0.0.1:1/none:1" name="moat-R" privileged=false resource="container/main"
        apply container_started skipped: name="moat-R" resource="container/main"
        apply docker_network_removed done: network="moat-R" network_id="ID"
    "#]].assert_eq(&without_words.collect::<String>());
    let verified = sandbox.moat(&["audit", "verify", "--json"]).ok().stdout;
    assert_eq!(serde_json::from_str::<Value>(&verified).expect("a document")["open"], 0, "{verified}");
    // Only the failed operation is reported as failed.
    let failed = sandbox.moat(&["audit", "--failed"]).ok().stdout;
    assert_eq!(failed.lines().count(), 2, "{failed}");
}

fn log(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.home().join(".local/state/moat/audit/log.jsonl")
}

#[test]
fn the_audit_log_names_privileges_and_the_sidecar() {
    let sandbox = Sandbox::applied(DIND);
    sandbox.moat(&["stop"]).ok();
    let text = reported(&sandbox);
    let has = |start: &str, part: &str| text.lines().any(|line| line.starts_with(start) && line.contains(part));
    assert!(has("apply buildkit_sidecar_started done: ", "privileged=true"), "{text}");
    assert!(has("apply container_started done: ", "name=\"moat-R\" privileged=true"), "{text}");
    assert!(has("stop buildkit_sidecar_stopped done: ", "moat-buildkit-R"), "{text}");
    let main = |event: &str| {
        let mut lines = text.lines().filter(|it| it.contains(event) && it.contains("container/main"));
        lines.next().unwrap_or_else(|| panic!("{event}: {text}"))
    };
    for part in ["buildkit_enabled=true", "then buildkit_network_id=\"ID\"", "privileged=true"] {
        assert!(main("container_created").contains(part), "{part}: {text}");
    }
    for part in ["buildkit_container_id=\"ID\"", "buildkit_network_id=\"ID\"", "privileged=true"] {
        assert!(main("container_started").contains(part), "{part}: {text}");
    }
    let table = sandbox.moat(&["audit", "-e", "buildkit_sidecar_started"]).ok().stdout;
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains(&format!("done    {}  moat-buildkit-", sandbox.run_id())), "{table}");
    assert!(table.lines().last().is_some_and(|line| line.ends_with(" [privileged]")), "{table}");
}

#[test]
fn the_next_command_closes_the_intent_of_a_killed_one() {
    let sandbox = Sandbox::applied(PLAIN);
    // The log of a process killed during a call.
    let state = sandbox.home().join(".local/state/moat");
    let writer =
        moat::audit::log::Writer { command: "apply".to_owned(), pid: 4_000_000, clock: moat::clock::Clock::System };
    let about = moat::audit::log::About {
        run: Some(sandbox.run_id()),
        agent: Some(sandbox.agent.clone()),
        engine: Some(engine().host.clone()),
    };
    let audit = moat::audit::Audit::open(&state, writer).expect("a log");
    audit.intent("container_started", &about, serde_json::Map::new()).expect("on record");
    drop(audit);
    let last = || {
        let rows: Vec<Value> = serde_json::from_str(&sandbox.moat(&["audit", "--json"]).ok().stdout).expect("rows");
        rows.last().expect("a row")["result"].clone()
    };
    assert_eq!(last(), Value::Null);
    assert_eq!(sandbox.moat(&["audit", "--failed"]).ok().stdout.lines().count(), 2);
    // A command without other operations.
    sandbox.apply();
    assert_eq!(last(), "unknown");
    sandbox.moat(&["audit", "verify"]).ok();
}

/// Runs the script with the log on a small or read-only file system.
fn on_a_disk(sandbox: &Sandbox, options: &str, script: &str) -> String {
    let moat = testkit::moat_binary();
    let state = sandbox.path().join("state");
    fs::create_dir_all(&state).expect("a folder");
    let state = state.display();
    let script = format!("mount -t tmpfs -o {options} none '{state}' && M='{moat}' && {script}");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).current_dir(sandbox.path());
    command.env("DOCKER_HOST", &engine().host).env("HOME", sandbox.home()).env("MOAT_STATE_DIR", &*state.to_string());
    let ran = run(command, b"");
    sandbox.plain(&format!("exit {}\n{}", ran.code, ran.stderr))
}

#[test]
fn without_a_writable_audit_log_nothing_changes() {
    let sandbox = Sandbox::new(PLAIN);
    engine().docker(&["pull", "--quiet", "busybox"]);
    expect![[r#"
        exit 1
        error: the audit log cannot be used: `DIR/state/audit`: Read-only file system (os error 30)
          = help: every change needs an audit entry: free space, or make the file writable
    "#]]
    .assert_eq(&on_a_disk(&sandbox, "size=1m,ro", "$M apply"));
    assert_eq!(sandbox.find("main"), None);
    // The disk fills up during the apply: without an intent there is no call.
    let full = on_a_disk(
        &sandbox,
        "size=32k",
        "$M audit rotate >/dev/null && head -c 1m /dev/zero >\"$MOAT_STATE_DIR/filler\" 2>/dev/null; $M apply",
    );
    assert!(full.contains("No space left on device") && full.contains("every change needs an audit entry"), "{full}");
    assert_eq!(sandbox.find("main"), None);
    let networks = engine().docker(&["network", "ls", "-q", "--filter", &format!("name={}", sandbox.agent)]);
    assert_eq!(networks, "");
    // Read-only commands need no log.
    let looks = on_a_disk(&sandbox, "size=1m,ro", "$M status && $M plan");
    assert!(looks.starts_with("exit 0"), "{looks}");
}

//! The history of commands; damage to its files does not block work.

use std::fs;
use std::path::PathBuf;

use expect_test::expect;
use serde_json::Value;
use testkit::engine::engine;
use testkit::sandbox::{DIND, PLAIN, Sandbox};

/// The only file of a kind.
fn file(sandbox: &Sandbox, kind: &str) -> PathBuf {
    let folder = sandbox.home().join(".local/state/moat").join(kind);
    let engines: Vec<_> = fs::read_dir(folder).expect("a folder").map(|it| it.expect("an entry").path()).collect();
    assert_eq!(engines.len(), 1);
    // `list` creates records of all runs, also of other tests.
    let mut files = fs::read_dir(&engines[0]).expect("a folder").map(|it| it.expect("an entry").path());
    files.find(|path| path.to_string_lossy().contains(&sandbox.run_id())).expect("a file")
}

fn record(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&fs::read_to_string(file(sandbox, "runs")).expect("a record")).expect("a document")
}

/// A table without times and durations.
fn timeless(sandbox: &Sandbox, args: &[&str]) -> String {
    let text = sandbox.plain(&sandbox.moat(args).ok().stdout);
    let word = |word: &str| {
        let is_time = word.len() == 24 && word.ends_with('Z');
        let is_number = word.parse::<f64>().is_ok_and(|_| word.contains('.'));
        if is_time {
            "TIME"
        } else if is_number {
            "N"
        } else {
            word
        }
        .to_owned()
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n";
    text.lines().map(line).collect()
}

#[test]
fn every_command_is_in_the_history() {
    let sandbox = Sandbox::new(PLAIN);
    engine().docker(&["pull", "--quiet", "busybox"]);
    sandbox.apply();
    sandbox.apply();
    sandbox.moat(&["stop"]).ok();
    sandbox.moat(&["start"]).ok();
    sandbox.rewrite("image: busybox\ncommand: [no-such-program]\n");
    assert_eq!(sandbox.moat(&["apply", "--approve-all"]).run().code, 1);
    sandbox.moat(&["destroy"]).ok();
    expect![[r#"
        TIME  TRIGGER  OUTCOME  STATE  WORK  TOOK
        TIME  apply  converged  ready  4 done  N s
        TIME  apply  converged  ready  nothing to do  N s
        TIME  stop  converged  stopped  2 done  N s
        TIME  start  converged  ready  3 done  N s
        TIME  apply  failed  degraded  3 done  N s
            `moat-R.next1` exited with code 127
            = help: the image has no such command: check its name and the image
        TIME  destroy  converged  absent  3 done  N s
    "#]]
    .assert_eq(&timeless(&sandbox, &["history"]));
    expect![[r#"
        TIME  TRIGGER  OUTCOME  STATE  WORK  TOOK
        TIME  destroy  converged  absent  3 done  N s
            stop container moat-R  done  unwanted  N s
            remove container moat-R  done  unwanted  N s
            remove network moat-R  done  unwanted  N s
    "#]]
    .assert_eq(&timeless(&sandbox, &["history", "-n", "1", "--steps"]));
    let json: Value = serde_json::from_str(&sandbox.moat(&["history", "--json"]).ok().stdout).expect("a document");
    let steps = &json[0]["rounds"][0]["operations"];
    assert_eq!(steps.as_array().map(Vec::len), Some(4), "{json:#}");
    assert!(steps[0]["took_ms"].is_u64() && steps[0]["result"] == "done", "{json:#}");
    // By name from another directory: the same files.
    let ran = sandbox.moat(&["history", &format!("{}x", sandbox.agent)]).transcript();
    expect![[r#"
        exit 1
        == stderr
        error: no record of `builderx`
          = help: did you mean `builder`?
    "#]]
    .assert_eq(&ran);
}

#[test]
fn history_keeps_the_last_state_of_a_run() {
    let sandbox = Sandbox::applied(DIND);
    let made = record(&sandbox);
    let network =
        engine().docker(&["network", "inspect", "--format", "{{.Id}}", &format!("moat-{}", sandbox.run_id())]);
    for (key, value) in [
        ("name", sandbox.agent.clone()),
        ("run", sandbox.run_id()),
        ("workspace", fs::canonicalize(sandbox.path()).expect("a folder").display().to_string()),
        ("container_id", sandbox.main()),
        ("buildkit_container_id", sandbox.sidecar()),
        ("network_id", network),
        ("state", "ready".to_owned()),
    ] {
        assert_eq!(made[key], value, "{key}: {made:#}");
    }
    assert_eq!(
        (&made["interactive"], &made["stopped_at"], &made["error"]),
        (&false.into(), &Value::Null, &Value::Null)
    );
    assert!(made["created_at"].is_string() && made["started_at"].is_string() && made["ports"].is_array(), "{made:#}");
    assert_eq!(made["resources"].as_array().map(Vec::len), Some(6));
    sandbox.moat(&["stop"]).ok();
    let stopped = record(&sandbox);
    assert_eq!((&stopped["state"], &stopped["started_at"]), (&"stopped".into(), &Value::Null), "{stopped:#}");
    assert!(stopped["stopped_at"].is_string() && stopped["created_at"] == made["created_at"], "{stopped:#}");
    sandbox.moat(&["start"]).ok();
    let started = record(&sandbox);
    assert_eq!((&started["state"], &started["created_at"]), (&"ready".into(), &made["created_at"]), "{started:#}");
    // A failure stays visible until the next success.
    sandbox.rewrite("image: busybox\ncommand: [no-such-program]\n");
    assert_eq!(sandbox.moat(&["apply", "--approve-all"]).run().code, 1);
    assert!(record(&sandbox)["error"]["message"].is_string());
    assert!(sandbox.moat(&["status"]).ok().stdout.contains("\nlast error: "));
    sandbox.rewrite(DIND);
    sandbox.apply();
    assert_eq!(record(&sandbox)["error"], Value::Null);
    // Lost records are restored from the labels.
    fs::remove_file(file(&sandbox, "runs")).expect("removed");
    sandbox.moat(&["list"]).ok();
    let again = record(&sandbox);
    assert_eq!((&again["container_id"], &again["network_id"]), (&sandbox.main().into(), &made["network_id"]));
}

#[test]
fn damaged_history_files_do_not_block_work() {
    let sandbox = Sandbox::applied(PLAIN);
    let (history, record) = (file(&sandbox, "history"), file(&sandbox, "runs"));
    let changed = |n: u32| sandbox.rewrite(&format!("image: busybox\nenv: {{ N: \"{n}\" }}\n"));
    let engine = history.parent().and_then(|it| it.file_name()).expect("a folder").to_string_lossy().into_owned();
    let warnings = |n: u32| -> String {
        changed(n);
        let err = sandbox.plain(&sandbox.moat(&["apply"]).ok().stderr).replace(&engine, "ENGINE");
        let reported = err.lines().filter(|line| line.starts_with("warning") || line.contains("= help"));
        reported.fold(String::new(), |text, line| text + line + "\n")
    };
    // Corrupt.
    fs::write(&history, "\u{0}nonsense").expect("written");
    fs::write(&record, "{").expect("written");
    expect![[r#"
        warning: the history is incomplete: `HOME/.local/state/moat/runs/ENGINE/R.json` could not be read and was recreated
          = help: it was rebuilt from the engine's labels
    "#]].assert_eq(&warnings(1));
    let reported = sandbox.moat(&["history"]).run();
    assert!(
        reported.code == 0 && reported.stderr.contains("1 line of `") && reported.stdout.contains("apply"),
        "{reported}"
    );
    assert_eq!(warnings(2), "");
    // From a newer version.
    fs::write(&history, "{\"v\":2,\"more\":true}\n").expect("written");
    fs::write(&record, "{\"v\":2,\"more\":true}").expect("written");
    expect![[r#"
        warning: the history is incomplete: `HOME/.local/state/moat/runs/ENGINE/R.json` was written by a newer version of moat and is left unchanged
          = help: use that version of moat, or remove the file
        warning: the history is incomplete: `HOME/.local/state/moat/history/ENGINE/R.jsonl` was written by a newer version of moat and is left unchanged
          = help: use that version of moat, or remove the file
    "#]].assert_eq(&warnings(3));
    assert_eq!(fs::read_to_string(&record).expect("a record"), "{\"v\":2,\"more\":true}");
    assert_eq!(fs::read_to_string(&history).expect("a history"), "{\"v\":2,\"more\":true}\n");
    // Locked by another process.
    fs::remove_file(&record).expect("removed");
    fs::write(&history, "").expect("written");
    let held = fs::File::open(&history).expect("a file");
    held.lock().expect("held");
    expect![[r#"
        warning: the history is incomplete: `HOME/.local/state/moat/history/ENGINE/R.jsonl` is locked by another process
          = help: only the history is affected
    "#]]
    .assert_eq(&warnings(4));
    drop(held);
    // Not writable.
    for file in [&history, &record] {
        fs::remove_file(file).expect("removed");
        fs::create_dir(file).expect("made");
    }
    expect![[r#"
        warning: the history is incomplete: `HOME/.local/state/moat/runs/ENGINE/R.json` cannot be used: Is a directory (os error 21)
          = help: only the history is affected
        warning: the history is incomplete: `HOME/.local/state/moat/history/ENGINE/R.jsonl` cannot be used: Is a directory (os error 21)
          = help: only the history is affected
    "#]].assert_eq(&warnings(5));
    for file in [&history, &record] {
        fs::remove_dir(file).expect("removed");
    }
    assert_eq!(warnings(6), "");
    assert_eq!(sandbox.moat(&["history", "--json"]).ok().stdout.matches("\"trigger\"").count(), 1);
}

#[test]
fn a_history_is_bounded() {
    let sandbox = Sandbox::applied(PLAIN);
    let history = file(&sandbox, "history");
    let line = fs::read_to_string(&history).expect("a history");
    let full = line.repeat((1 << 20) / line.len() + 1);
    fs::write(&history, &full).expect("written");
    sandbox.apply();
    assert!(!history.exists());
    assert!(fs::metadata(history.with_extension("1.jsonl")).expect("the older one").len() > full.len() as u64);
    sandbox.apply();
    let count = sandbox.moat(&["history", "--json"]).ok().stdout.matches("\"trigger\"").count();
    assert_eq!(count, full.lines().count() + 2);
}

//! Mounted single files of the host: a replaced one is detected and repaired, an edited one is ignored.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use testkit::engine::engine;
use testkit::sandbox::{PLAIN, Sandbox};

const CONF: &str = "mounts: ['./conf.json:/etc/app/conf.json:ro']\n";

fn write(sandbox: &Sandbox, name: &str, text: &str) {
    fs::write(sandbox.path().join(name), text).expect("a file");
}

fn shell(sandbox: &Sandbox, script: &str) {
    let ran = Command::new("sh").args(["-ec", script]).current_dir(sandbox.path()).output().expect("a shell");
    assert!(ran.status.success(), "{script}: {}", String::from_utf8_lossy(&ran.stderr));
}

fn started(sandbox: &Sandbox) -> String {
    sandbox.inspect("main", "{{.Id}} {{.State.StartedAt}}")
}

/// All commands report it, and `apply` repairs it with one restart.
#[track_caller]
fn is_repaired(sandbox: &Sandbox, what: &str, expected: &str) {
    let before = started(sandbox);
    let plan = sandbox.moat(&["plan", "--json"]).ok().stdout;
    assert!(plan.contains("\"source-replaced\"") && plan.contains("conf.json"), "{what}: {plan}");
    for command in [&["status"][..], &["why", "main"], &["plan"]] {
        let ran = sandbox.moat(command).run();
        let is_shown = ran.stdout.contains("/conf.json` was replaced on the host");
        assert!(ran.code == 0 && is_shown, "{what}: {command:?} {ran}");
    }
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("cat /etc/app/conf.json"), expected, "{what}");
    let after = started(sandbox);
    assert!(before != after && before[..64] == after[..64], "{what}: {before} {after}");
    is_unchanged(sandbox, what, expected);
}

/// Checks that nothing is to be done, and that apply does nothing.
#[track_caller]
fn is_unchanged(sandbox: &Sandbox, what: &str, expected: &str) {
    let before = started(sandbox);
    let ran = sandbox.moat(&["plan", "--detailed-exitcode"]).run();
    assert_eq!(ran.code, 0, "{what}: {ran}");
    sandbox.moat(&["apply"]).ok();
    assert_eq!(started(sandbox), before, "{what}");
    assert_eq!(sandbox.sh_ok("cat /etc/app/conf.json"), expected, "{what}");
}

#[test]
fn a_replaced_file_is_repaired_and_an_edited_one_ignored() {
    let sandbox = Sandbox::new(&format!("{PLAIN}{CONF}"));
    write(&sandbox, "conf.json", "1");
    write(&sandbox, "older", "5");
    sandbox.moat(&["apply"]).ok();
    shell(&sandbox, "echo 2 >conf.json; touch conf.json; chmod 600 conf.json; touch -d yesterday conf.json");
    is_unchanged(&sandbox, "edited in place", "2");
    shell(&sandbox, "mv older conf.json");
    is_repaired(&sandbox, "an older file moved there", "5");
    shell(&sandbox, "echo 3 >t; mv t conf.json");
    is_repaired(&sandbox, "saved by rename", "3");
    shell(&sandbox, "rm conf.json; echo 4 >conf.json");
    is_repaired(&sandbox, "removed and written again", "4");
    shell(&sandbox, "echo 6 >conf.json; touch conf.json");
    is_unchanged(&sandbox, "edited after a restart", "6");
    // A stopped container has no stale files.
    sandbox.moat(&["stop"]).ok();
    shell(&sandbox, "echo 7 >t; mv t conf.json");
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);
    sandbox.moat(&["start"]).ok();
    is_unchanged(&sandbox, "replaced while it was stopped", "7");
    // `docker restart` mounts the new file as well.
    shell(&sandbox, "echo 8 >t; mv t conf.json");
    engine().docker(&["restart", "-t", "0", &sandbox.main()]);
    is_unchanged(&sandbox, "restarted by hand", "8");
    // Without the file a start would fail: the running container is left alone.
    shell(&sandbox, "rm conf.json");
    let before = started(&sandbox);
    sandbox.moat(&["apply"]).ok();
    assert_eq!(started(&sandbox), before, "removed");
}

#[test]
fn a_link_to_another_file_is_followed() {
    let sandbox = Sandbox::new(&format!("{PLAIN}{CONF}"));
    write(&sandbox, "v1", "1");
    write(&sandbox, "v2", "2");
    symlink("v1", sandbox.path().join("conf.json")).expect("a link");
    sandbox.moat(&["apply"]).ok();
    shell(&sandbox, "ln -sfn v1 conf.json; echo 1b >v1");
    is_unchanged(&sandbox, "the same link again", "1b");
    shell(&sandbox, "ln -sfn v2 conf.json");
    is_repaired(&sandbox, "a link to an older file", "2");
    shell(&sandbox, "echo 3 >t; mv t v2");
    is_repaired(&sandbox, "the file behind the link", "3");
}

#[test]
fn two_sandboxes_with_one_file_are_both_repaired() {
    let one = Sandbox::new(&format!("{PLAIN}{CONF}"));
    write(&one, "conf.json", "1");
    let shared = one.path().canonicalize().expect("a path").join("conf.json");
    let other = Sandbox::new(&format!("{PLAIN}mounts: ['{}:/etc/app/conf.json']\n", shared.display()));
    for sandbox in [&one, &other] {
        sandbox.moat(&["apply"]).ok();
    }
    shell(&one, "echo 2 >t; mv t conf.json");
    for sandbox in [&one, &other] {
        is_repaired(sandbox, "shared", "2");
    }
}

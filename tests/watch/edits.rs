//! File changes, in all the ways in which programs write files: each causes exactly the expected rounds.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::sandbox::{PLAIN, Sandbox};
use testkit::watched::Watched;

fn spec(sandbox: &Sandbox, version: u32) -> String {
    format!("agent: {}\n{PLAIN}env: {{VERSION: {version}}}\n", sandbox.agent)
}

/// The version in the running container.
fn version(sandbox: &Sandbox) -> String {
    sandbox.docker_exec("main", &["sh", "-c", "echo $VERSION"])
}

fn shell(dir: &Path, script: &str) {
    let ran = Command::new("sh").args(["-ec", script]).current_dir(dir).output().expect("a shell");
    assert!(ran.status.success(), "{script}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// A way to write a file.
type Save = fn(&Path, &str);

const WAYS: [(&str, Save); 5] = [
    ("truncate and write", |file, text| fs::write(file, text).expect("a file")),
    ("write in pieces", |file, text| {
        let mut open = File::create(file).expect("a file");
        for piece in text.as_bytes().chunks(7) {
            open.write_all(piece).expect("a file");
        }
    }),
    ("vim: rename away, write anew", |file, text| {
        fs::rename(file, file.with_extension("yaml~")).expect("a file");
        fs::write(file, text).expect("a file");
        fs::remove_file(file.with_extension("yaml~")).expect("a file");
    }),
    ("VS Code: write beside, rename over", |file, text| {
        let beside = file.with_extension("yaml.tmp");
        fs::write(&beside, text).expect("a file");
        fs::rename(beside, file).expect("a file");
    }),
    ("remove and write", |file, text| {
        fs::remove_file(file).expect("a file");
        fs::write(file, text).expect("a file");
    }),
];

/// Asserts that a change causes one round. On a loaded machine the writes of one save can be further apart than the
/// watch waits for another one, so the change, which gets the number of the attempt, is made again a few times.
fn one_round(watch: &mut Watched, name: &str, mut change: impl FnMut(usize)) {
    const ATTEMPTS: usize = 5;
    let mut reported = Vec::new();
    for attempt in 0..ATTEMPTS {
        watch.events.clear();
        change(attempt);
        watch.wait_for("settled");
        let after = watch.quiet();
        reported = watch.events.iter().chain(&after).cloned().collect();
        if reported.iter().filter(|it| it["event"] == "woken").count() == 1 {
            return;
        }
    }
    panic!("{name}: several rounds in each of {ATTEMPTS} attempts: {reported:#?}");
}

#[test]
fn each_way_to_save_causes_one_round() {
    let sandbox = Sandbox::new(PLAIN);
    fs::write(sandbox.path().join("agent.yaml"), spec(&sandbox, 0)).expect("a spec");
    let mut watch = Watched::new(&sandbox, &[]);
    let file = sandbox.path().join("agent.yaml");
    let mut number = 0;
    for (name, save) in WAYS {
        one_round(&mut watch, name, |_| {
            number += 1;
            save(&file, &spec(&sandbox, number));
        });
        assert_eq!(version(&sandbox), number.to_string(), "{name}");
        assert!(watch.events.iter().any(|it| it["event"] == "reloaded"), "{name}: {:#?}", watch.events);
    }
}

/// A sandbox belongs to the real path of its file: another target is another sandbox, and this one stays unchanged.
#[test]
fn a_link_to_another_file_is_reported_and_changes_nothing() {
    let sandbox = Sandbox::new(PLAIN);
    let file = sandbox.path().join("agent.yaml");
    let mut watch = Watched::new(&sandbox, &[]);
    let main = sandbox.main();
    let (other, content) = (sandbox.path().join("other.yaml"), fs::read(&file).expect("a spec"));
    fs::write(&other, spec(&sandbox, 1)).expect("a spec");
    fs::remove_file(&file).expect("a spec");
    std::os::unix::fs::symlink(&other, &file).expect("a link");
    let reported = watch.wait_for("rejected");
    assert!(
        reported["message"].as_str().unwrap_or_default().contains("other.yaml`, which identifies another sandbox"),
        "{reported:#}"
    );
    assert_eq!(watch.quiet(), [Value::Null; 0]);
    assert_eq!(sandbox.id("main"), main);
    fs::remove_file(&file).expect("a link");
    fs::write(&file, content).expect("a spec");
    watch.wait_for("reloaded");
}

#[test]
fn an_unchanged_file_causes_no_round() {
    let sandbox = Sandbox::new(PLAIN);
    let mut watch = Watched::new(&sandbox, &[]);
    for script in [
        "touch agent.yaml",
        "chmod 600 agent.yaml",
        "cp agent.yaml other && mv other agent.yaml",
        "for i in $(seq 100); do echo $i > noise; done",
        "cat agent.yaml > /dev/null",
        "echo '# a remark' >> agent.yaml",
    ] {
        shell(sandbox.path(), script);
        assert_eq!(watch.quiet(), [Value::Null; 0], "{script}");
    }
}

#[test]
fn sed_and_a_large_checkout_cause_one_round_each() {
    let sandbox = Sandbox::new(PLAIN);
    let file = sandbox.path().join("agent.yaml");
    fs::write(&file, spec(&sandbox, 0)).expect("a spec");
    shell(
        sandbox.path(),
        "git init -q . && git config user.email a@b && git config user.name a
         for i in $(seq 1000); do echo 0 > file-$i; done; git add -A; git commit -qm 0
         sed -i 's/VERSION: 0/VERSION: 5/' agent.yaml; for i in $(seq 1000); do echo 5 > file-$i; done
         git commit -qam 5; git checkout -q HEAD~1",
    );
    let mut watch = Watched::new(&sandbox, &[]);
    for (script, other, wanted) in [
        (
            "sed -i 's/VERSION: [0-9]*/VERSION: 1/' agent.yaml",
            "sed -i 's/VERSION: [0-9]*/VERSION: 2/' agent.yaml",
            ["1", "2"],
        ),
        ("git checkout -qf -", "git checkout -qf HEAD~1", ["5", "0"]),
    ] {
        let mut version_now = "";
        one_round(&mut watch, script, |attempt| {
            version_now = wanted[attempt % 2];
            shell(sandbox.path(), [script, other][attempt % 2]);
        });
        assert_eq!(version(&sandbox), version_now, "{script}");
    }
}

#[test]
fn an_invalid_edit_changes_nothing_and_a_valid_one_is_applied() {
    let sandbox = Sandbox::new(PLAIN);
    let file = sandbox.path().join("agent.yaml");
    let mut watch = Watched::new(&sandbox, &[]);
    let main = sandbox.main();
    fs::write(&file, "agent: [\n").expect("a spec");
    let rejected = watch.wait_for("rejected");
    assert!(rejected["message"].as_str().unwrap_or_default().contains("agent.yaml:"), "{rejected:#}");
    assert_eq!(watch.quiet(), [Value::Null; 0]);
    assert_eq!(sandbox.main(), main);
    let status = sandbox.moat(&["list", "--json"]).ok().stdout;
    assert!(status.contains(&sandbox.agent), "{status}");
    fs::write(&file, spec(&sandbox, 7)).expect("a spec");
    watch.wait_for("settled");
    assert_eq!(version(&sandbox), "7");

    fs::remove_file(&file).expect("a spec");
    watch.wait_for("spec-gone");
    assert_eq!(watch.quiet(), [Value::Null; 0]);
    assert_eq!(version(&sandbox), "7", "it is kept");
    fs::write(&file, spec(&sandbox, 8)).expect("a spec");
    watch.wait_for("settled");
    assert_eq!(version(&sandbox), "8");
}

#[test]
fn a_hangup_triggers_a_round() {
    let sandbox = Sandbox::new(PLAIN);
    let mut watch = Watched::new(&sandbox, &[]);
    fs::write(sandbox.path().join("agent.yaml"), "agent: [\n").expect("a spec");
    watch.wait_for("rejected");
    watch.signal(rustix::process::Signal::HUP);
    assert_eq!(watch.quiet().len(), 0, "the same fault is reported once");
    fs::write(sandbox.path().join("agent.yaml"), spec(&sandbox, 3)).expect("a spec");
    watch.wait_for("settled");
    assert_eq!(version(&sandbox), "3");
}

#[test]
fn files_can_be_polled() {
    let sandbox = Sandbox::new(PLAIN);
    let mut watch = Watched::new(&sandbox, &["--poll"]);
    fs::write(sandbox.path().join("agent.yaml"), spec(&sandbox, 4)).expect("a spec");
    watch.wait_for("reloaded");
    watch.wait_for("settled");
    assert_eq!(version(&sandbox), "4");
}

#[test]
fn a_first_custom_capability_is_noticed() {
    let sandbox = Sandbox::new(PLAIN);
    let mut watch = Watched::new(&sandbox, &["--allow"]);
    let text = format!("agent: {}\n{PLAIN}dependencies: [mine]\n", sandbox.agent);
    fs::write(sandbox.path().join("agent.yaml"), text).expect("a spec");
    watch.wait_for("rejected");
    fs::create_dir(sandbox.path().join("specs")).expect("a folder");
    let mine = "capability: mine\nsummary: a variable\nmain:\n  env: {VERSION: mine}\n";
    fs::write(sandbox.path().join("specs/mine.yaml"), mine).expect("a capability");
    watch.wait_for("settled");
    assert_eq!(version(&sandbox), "mine");
}

/// A build context belongs to the spec, except for the paths in `.dockerignore`.
#[test]
fn build_contexts_are_watched() {
    let sandbox = Sandbox::new("build: image\ncommand: [sleep, infinity]\n");
    shell(
        sandbox.path(),
        "mkdir -p image/sub; cd image; printf 'FROM busybox\\nCOPY . /from\\n' > Dockerfile
         echo '*.log' > .dockerignore; echo 0 > sub/version",
    );
    let mut watch = Watched::new(&sandbox, &["--allow"]);
    let shown = |path: &str| sandbox.docker_exec("main", &["cat", path]);
    assert_eq!(shown("/from/sub/version"), "0");
    let mut number = 0;
    for script in ["touch image/sub/version", "echo 1 > image/a.log", "cp image/sub/version v; mv v image/sub/version"]
    {
        shell(sandbox.path(), script);
        assert_eq!(watch.quiet(), [Value::Null; 0], "{script}");
    }
    for (script, path) in [
        ("echo $N > image/sub/version", "/from/sub/version"),
        ("mkdir -p image/new/folder; echo $N > image/new/folder/file", "/from/new/folder/file"),
        ("echo $N > image/new/folder/file", "/from/new/folder/file"),
        ("echo \"RUN echo $N > /made\" >> image/Dockerfile", "/made"),
        ("echo $N > image/a.log; echo \"# $N\" > image/.dockerignore", "/from/a.log"),
    ] {
        one_round(&mut watch, script, |_| {
            number += 1;
            shell(sandbox.path(), &format!("N={number}; {script}"));
        });
        assert_eq!(shown(path), number.to_string(), "{script}");
    }
}

/// All kinds of files of a spec, in any folder.
#[test]
fn every_file_of_a_spec_is_watched() {
    let sandbox = Sandbox::new(
        "extends: base/common.yaml\nimage: busybox\nenv_file: more.env\nenv: {VARIABLE: '${VARIABLE}'}\n\
         secrets: {SECRET: 'file://secret'}\n",
    );
    shell(
        sandbox.path(),
        "mkdir base; echo 'env: {COMMON: \"0\"}' > base/common.yaml; echo MORE=0 > more.env; echo VARIABLE=0 > .env; printf 0 > secret",
    );
    let mut watch = Watched::new(&sandbox, &[]);
    let all = "echo $COMMON $MORE $VARIABLE $SECRET";
    for (script, wanted) in [
        ("echo 'env: {COMMON: \"1\"}' > base/common.yaml", "1 0 0 0"),
        ("echo MORE=1 > more.env", "1 1 0 0"),
        ("echo VARIABLE=1 > beside; mv beside .env", "1 1 1 0"),
        ("printf 1 > beside; mv beside secret", "1 1 1 1"),
        ("mv base away; mkdir base; echo 'env: {COMMON: \"2\"}' > base/common.yaml", "2 1 1 1"),
    ] {
        watch.events.clear();
        shell(sandbox.path(), script);
        watch.wait_for("settled");
        assert_eq!(sandbox.docker_exec("main", &["sh", "-c", all]), wanted, "{script}");
    }
}

/// A mounted file is no part of the spec. The container sees writes to it, but a file that replaces it only after a
/// restart.
#[test]
fn a_replaced_mounted_file_is_repaired_by_watch() {
    let mount = "mounts: ['./conf.json:/etc/conf.json']\n";
    let sandbox = Sandbox::new(&format!("{PLAIN}{mount}"));
    let file = sandbox.path().join("conf.json");
    fs::write(&file, "0").expect("a file");
    let mut watch = Watched::new(&sandbox, &[]);
    let inside = || sandbox.docker_exec("main", &["cat", "/etc/conf.json"]);
    fs::write(&file, "in place").expect("a file");
    assert_eq!(watch.quiet(), [Value::Null; 0]);
    assert_eq!(inside(), "in place");
    for (name, save) in &WAYS[2..] {
        save(&file, name);
        let woken = watch.wait_for("woken");
        assert_eq!(woken["trigger"]["name"], "conf.json", "{woken}");
        assert_eq!(watch.settles(), ["restart container/main", "await container/main"], "{name}");
        assert_eq!(inside(), *name);
        assert!(watch.events.iter().all(|it| it["event"] != "reloaded"), "{:#?}", watch.events);
    }
    assert_eq!(watch.quiet(), [Value::Null; 0]);
}

/// Every way in which editors save, with other files written beside.
#[test]
fn the_file_that_changed_is_named_relative_to_the_spec() {
    let sandbox = Sandbox::new("build: ./img\nextends: parts/base.yaml\n");
    let write = |path: &str, text: &str| {
        let path = sandbox.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write("img/Dockerfile", "FROM busybox\nCOPY . /img\n");
    write("img/deep/f", "0");
    write("parts/base.yaml", "env: {A: '0'}\n");
    let mut watch = Watched::new(&sandbox, &[]);
    for (nth, (name, save)) in (1..).zip(WAYS) {
        for (path, text) in [("img/deep/f", nth.to_string()), ("parts/base.yaml", format!("env: {{A: '{nth}'}}\n"))] {
            save(&sandbox.path().join(path), &text);
            let woken = watch.wait_for("woken");
            assert_eq!(woken["trigger"]["name"], path, "{name}: {woken}");
            watch.wait_for("settled");
            // On a slow machine the parts of one save can wake the watch more than once.
            watch.quiet();
        }
    }
}

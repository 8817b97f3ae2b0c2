//! A spec edited by a sandbox: nothing in it is applied, executed or fetched before a user approves it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::engine::engine;
use testkit::recorder::Recorder;
use testkit::run::Ran;
use testkit::sandbox::{PLAIN, Sandbox};

/// The exit code for a missing approval.
const NOT_APPROVED: i32 = 77;

/// A sandbox with the path of a file that only a command in the spec can create.
struct Canary {
    sandbox: Sandbox,
    path: PathBuf,
}

impl Canary {
    fn new(spec: &str) -> Self {
        let sandbox = Sandbox::new(spec);
        let path = sandbox.path().join("canary");
        Self { sandbox, path }
    }

    /// A secret source that creates the file.
    fn command(&self) -> String {
        format!("cmd://touch {}; echo x", self.path.display())
    }

    fn was_created(&self) -> bool {
        self.path.exists()
    }
}

/// The objects of a sandbox on the engine: ids and configurations.
fn world(sandbox: &Sandbox) -> String {
    let filter = format!("label=moat.agent={}", sandbox.agent);
    let ids = engine().list(&["ps", "-aq", "--no-trunc", "--filter", &filter]);
    let inspected = ids.iter().map(|id| {
        engine().docker(&["inspect", "--format", "{{.Id}} {{.Name}} {{json .HostConfig}} {{json .Config.Env}}", id])
    });
    inspected.collect()
}

fn refused(ran: &Ran) -> &Ran {
    assert_eq!(ran.code, NOT_APPROVED, "{ran}");
    ran
}

/// The digest in a plan.
fn digest(sandbox: &Sandbox) -> String {
    let ran = sandbox.moat(&["plan", "--json"]).ok();
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
    plan["approval"]["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn commands_of_an_unapproved_spec_are_not_run() {
    let canary = Canary::new(PLAIN);
    let sandbox = &canary.sandbox;
    sandbox.apply();
    let before = world(sandbox);
    sandbox.rewrite(&format!("{PLAIN}secrets:\n  T: '{}'\n", canary.command()));
    for command in
        [&["plan"][..], &["status"], &["why"], &["graph"], &["plan", "--json"], &["plan", "--detailed-exitcode"]]
    {
        let ran = sandbox.moat(command).run();
        assert!(ran.code == 0 || ran.code == 2, "{ran}");
        assert!(!canary.was_created(), "{command:?}\n{ran}");
    }
    let plan = sandbox.moat(&["plan"]).ok().stdout;
    assert!(plan.contains("secret T: not fetched (not approved)"), "{plan}");
    for command in ["apply", "restart", "start"] {
        refused(&sandbox.moat(&[command]).run());
        assert!(!canary.was_created(), "{command}");
    }
    refused(&sandbox.moat(&["run", "--", "true"]).run());
    refused(&sandbox.moat(&["run", "--rm", "--", "true"]).run());
    assert!(!canary.was_created());
    assert_eq!(world(sandbox), before);
    sandbox.moat(&["apply", "--approve", &digest(sandbox)]).ok();
    assert!(canary.was_created(), "once it is approved it is run");
}

#[test]
fn commands_are_not_run_before_the_first_apply() {
    let canary = Canary::new(PLAIN);
    let sandbox = &canary.sandbox;
    sandbox.rewrite(&format!("{PLAIN}secrets:\n  T: '{}'\n", canary.command()));
    for command in [&["plan"][..], &["status"], &["why"], &["graph"], &["plan", "-o", "p.json"]] {
        let ran = sandbox.moat(command).ok();
        assert!(!canary.was_created(), "{command:?}\n{ran}");
    }
    let plan = sandbox.moat(&["plan"]).ok().stdout;
    assert!(plan.contains("secret T: not fetched (not approved)"), "{plan}");
    // A plan saved without the commands is still valid.
    sandbox.moat(&["apply", "p.json"]).ok();
    assert!(canary.was_created());
    assert_eq!(sandbox.sh_ok("echo $T"), "x");
}

/// Seen at the engine's socket: it is the engine that asks registries.
#[test]
fn no_registry_is_asked_about_an_unapproved_spec() {
    let recorder = Recorder::new();
    let sandbox = Sandbox::new(PLAIN);
    let asked = |args: &[&str]| {
        recorder.take();
        let ran = sandbox.moat(args).docker_host(&recorder.host()).ok();
        (recorder.take().iter().filter(|call| call.path.starts_with("/distribution/")).count(), ran.stdout)
    };
    let shown = "image busybox: not fetched (not approved)";
    let looks = [&["plan", "--pull"][..], &["plan"], &["status"], &["why"], &["apply", "--dry-run", "--pull"]];
    // Before the first apply, though that will approve it.
    for args in looks {
        let (count, text) = asked(args);
        assert_eq!((count, text.contains(shown)), (0, args.contains(&"--pull")), "{args:?}: {text}");
    }
    assert_eq!(asked(&["plan", "--pull", "-o", "p.json"]).0, 0);
    // The plan that was made without them still holds; it names its engine.
    sandbox.moat(&["apply", "p.json"]).docker_host(&recorder.host()).ok();
    assert_eq!(asked(&["plan", "--pull"]).0, 1, "once it is approved it is asked");
    sandbox.rewrite(&format!("{PLAIN}mounts: ['/usr/share:/data:ro']\n"));
    for args in looks {
        let (count, text) = asked(args);
        assert_eq!((count, text.contains(shown)), (0, args.contains(&"--pull")), "{args:?}: {text}");
    }
    let json: Value = serde_json::from_str(&asked(&["plan", "--pull", "--json"]).1).expect("JSON");
    assert_eq!(json["approval"]["not_fetched"], serde_json::json!(["image busybox"]), "{json:#}");
    sandbox.apply();
    assert_eq!(asked(&["plan", "--pull"]).0, 1);
}

/// A folder that cannot be read whole shows who tries.
#[test]
fn no_folder_of_an_unapproved_build_is_read() {
    let sandbox = Sandbox::applied(PLAIN);
    for name in ["Dockerfile", "Other"] {
        fs::create_dir_all(sandbox.path().join("img")).expect("a folder");
        fs::write(sandbox.path().join("img").join(name), "FROM busybox\n").expect("a file");
    }
    let build = "build: ./img\n";
    sandbox.rewrite(build);
    sandbox.apply();
    let big = fs::File::create(sandbox.path().join("img/big")).expect("a file");
    big.set_len(1 << 40).expect("a size");
    // What is approved is read, and the canary works.
    assert!(sandbox.moat(&["plan"]).run().code != 0);
    fs::rename(sandbox.path().join("img"), sandbox.path().join("other")).expect("a folder");
    let dockerfile = "build: {context: other, dockerfile: Other}\n";
    for spec in ["build: ./other\n", dockerfile] {
        sandbox.rewrite(spec);
        for args in [&["plan"][..], &["status"], &["why"], &["plan", "--json"]] {
            let ran = sandbox.moat(args).ok();
            let text = format!("{}{}", ran.stdout, ran.stderr);
            let is_shown = text.contains("other: not fetched (not approved)") || text.contains("\"build context ");
            assert!(is_shown, "{args:?}: {ran}");
        }
        refused(&sandbox.moat(&["apply"]).run());
    }
}

#[test]
fn a_changed_secret_source_is_not_read_before_approval() {
    let canary = Canary::new(&format!("{PLAIN}secrets: {{T: 'env://HOME'}}\n"));
    let sandbox = &canary.sandbox;
    sandbox.apply();
    let before = world(sandbox);
    for source in [
        canary.command().as_str(),
        "env://PATH",
        "file:///etc/hostname",
        "op://vault/item",
        "pass://item",
        "ssm:///item",
    ] {
        sandbox.rewrite(&format!("{PLAIN}secrets: {{T: '{source}'}}\n"));
        let reported = refused(&sandbox.moat(&["apply"]).run()).stderr.clone();
        assert!(reported.contains("secret T: env://HOME -> "), "{reported}");
        assert_eq!(sandbox.moat(&["status"]).run().code, 0, "{source}");
    }
    assert!(!canary.was_created());
    assert_eq!(world(sandbox), before);
}

/// Each one is refused, and changes nothing.
#[test]
fn widenings_need_approval() {
    let base = format!(
        "{PLAIN}workspace: {{path: ., exclude: [hidden]}}\nextends: team/base.yaml\ncontainer: {{memory: 64m}}\n"
    );
    let sandbox = Sandbox::new(&base);
    let file = |name: &str, text: &str| {
        let path = sandbox.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    file("team/base.yaml", "env: {BASE: '1'}\n");
    file("more.env", "MORE=1\n");
    file("image/Dockerfile", "FROM busybox\n");
    sandbox.apply();
    let before = world(&sandbox);
    let more = |line: &str| format!("{base}{line}\n");
    for spec in [
        more("mounts: ['/etc:/conf:ro']"),
        more("volumes: ['data:/data']"),
        more("ports: ['127.0.0.1:38099:80']"),
        more("services: {web: {image: busybox, command: 'sleep 1000'}}"),
        more("dependencies: [docker:host]"),
        more("user: root"),
        more("env: {KEY: '${PATH}'}"),
        more("env_file: more.env"),
        more("secrets: {KEY: 'env://HOME'}"),
        more("hooks: {pre_run: 'true'}"),
        more("network: {extra_hosts: {here: host-gateway}}"),
        base.replace("busybox", "debian:trixie-slim"),
        base.replace("image: busybox", "build: {context: image}"),
        base.replace(", exclude: [hidden]", ""),
        base.replace("64m", "128m"),
        base.replace("container: {memory: 64m}", ""),
    ] {
        sandbox.rewrite(&spec);
        let ran = sandbox.moat(&["apply"]).run();
        assert_eq!(ran.code, NOT_APPROVED, "{spec}\n{ran}");
        assert_eq!(world(&sandbox), before, "{spec}");
    }
    // Files that the spec includes.
    sandbox.rewrite(&base);
    file("team/base.yaml", "env: {BASE: '1'}\nmounts: ['/etc:/conf']\n");
    refused(&sandbox.moat(&["apply"]).run());
    file("team/base.yaml", "env: {BASE: '1'}\n");
    sandbox.moat(&["apply"]).ok();
    assert_eq!(world(&sandbox), before);
}

#[test]
fn a_new_capability_file_needs_approval() {
    let sandbox = Sandbox::new("base_image: debian:trixie-slim\ndependencies: [redis]\n");
    sandbox.apply();
    let before = world(&sandbox);
    let folder = sandbox.path().join("specs");
    fs::create_dir(&folder).expect("a folder");
    let text = "capability: redis\nsummary: ours\nmain:\n  mounts: [{path: /etc, target: /host-etc}]\n";
    fs::write(folder.join("r.yaml"), text).expect("a file");
    let reported = refused(&sandbox.moat(&["apply"]).run()).stderr.clone();
    assert!(reported.contains("capability redis"), "{reported}");
    assert_eq!(world(&sandbox), before);
}

/// These have effects inside only, or remove something.
#[test]
fn narrowing_changes_need_no_approval() {
    let base = "image: busybox\ncontainer: {memory: 64m}\nenv: {A: '1'}\nmounts: ['/etc:/conf']\n";
    let sandbox = Sandbox::new(base);
    sandbox.apply();
    for spec in [
        base.replace("{A: '1'}", "{A: '2', B: '3'}"),
        format!("{base}command: 'sleep 1000'\n"),
        format!("{base}labels: {{team: a}}\n"),
        format!("{base}workdir: /tmp\nrestart: always\n"),
        base.replace("64m", "32m"),
        base.replace("64m", "32m").replace("/etc:/conf", "/etc:/conf:ro"),
        "image: busybox\ncontainer: {memory: 32m}\n".to_owned(),
        "image: busybox\ncontainer: {memory: 32m, pids: 100}\nnetwork: {internal: true}\n".to_owned(),
    ] {
        sandbox.rewrite(&spec);
        let ran = sandbox.moat(&["apply"]).run();
        assert_eq!(ran.code, 0, "{spec}\n{ran}");
    }
    // The narrowed state is the approved one from then on.
    sandbox.rewrite(base);
    refused(&sandbox.moat(&["apply"]).run());
}

#[test]
fn only_the_exact_digest_approves() {
    let sandbox = Sandbox::applied(PLAIN);
    sandbox.rewrite(&format!("{PLAIN}mounts: ['/etc:/conf:ro']\n"));
    let other = digest(&sandbox);
    sandbox.rewrite(&format!("{PLAIN}mounts: ['/srv:/conf:ro']\n"));
    let before = world(&sandbox);
    refused(&sandbox.moat(&["apply", "--approve", &other]).run());
    let short = sandbox.moat(&["apply", "--approve", &digest(&sandbox)[..16]]).run();
    assert_eq!(short.code, 64, "{short}");
    assert_eq!(world(&sandbox), before);
    let ran = sandbox.moat(&["apply", "--json"]).run();
    let last: Value = serde_json::from_str(ran.stdout.lines().last().expect("a line")).expect("JSON");
    assert_eq!((ran.code, &last["error"]["code"]), (NOT_APPROVED, &Value::from("not-approved")), "{last:#}");
    assert!(last.to_string().contains(&digest(&sandbox)), "{last:#}");
    sandbox.moat(&["apply", "--approve", &other, "--approve", &digest(&sandbox)]).ok();
    // It stays approved.
    sandbox.moat(&["destroy", "--yes"]).ok();
    sandbox.moat(&["apply"]).ok();
}

#[test]
fn approval_is_asked_on_a_terminal() {
    let sandbox = Sandbox::applied(PLAIN);
    sandbox.rewrite(&format!("{PLAIN}mounts: ['/etc:/conf:ro']\n"));
    let before = world(&sandbox);
    let no = on_terminal(&sandbox, "apply", "n\n");
    assert_eq!(no.code, NOT_APPROVED, "{no}");
    assert!(no.stdout.contains("mount /conf: path /etc (read only)"), "{no}");
    assert!(no.stdout.contains("[y/N]"), "{no}");
    assert_eq!(world(&sandbox), before);
    let yes = on_terminal(&sandbox, "apply", "y\n");
    assert_eq!(yes.code, 0, "{yes}");
    assert_ne!(world(&sandbox), before);
    // Approved once, it is not asked about again.
    let again = on_terminal(&sandbox, "apply", "");
    assert!(again.code == 0 && !again.stdout.contains("[y/N]"), "{again}");
}

/// Runs moat on a terminal that gets all of its output.
fn on_terminal(sandbox: &Sandbox, args: &str, input: &str) -> Ran {
    let moat = sandbox.moat(&[]);
    let program = moat.command.get_program().to_string_lossy().into_owned();
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &format!("{program} {args}"), "/dev/null"]).current_dir(sandbox.path()).env_clear();
    command.envs(moat.command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    testkit::run::run(command, input.as_bytes())
}

#[test]
fn one_unapproved_agent_blocks_all() {
    let (one, two) = (Sandbox::applied(PLAIN), Sandbox::applied(PLAIN));
    one.rewrite(&format!("{PLAIN}env: {{A: b}}\n"));
    two.rewrite(&format!("{PLAIN}mounts: ['/etc:/conf:ro']\n"));
    let before = [world(&one), world(&two)];
    let spec = two.path().join("agent.yaml");
    let ran = one.moat(&["apply", "agent.yaml", &spec.to_string_lossy()]).run();
    refused(&ran);
    assert_eq!([world(&one), world(&two)], before, "{ran}");
}

#[test]
fn labels_prove_approval_without_the_state_directory() {
    let mounts = format!("{PLAIN}mounts: ['/etc:/conf:ro']\n");
    let sandbox = Sandbox::applied(&mounts);
    let before = world(&sandbox);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let apply = || {
        let mut moat = sandbox.moat(&["apply"]);
        moat.command.env("MOAT_STATE_DIR", elsewhere.path());
        moat.run()
    };
    assert_eq!(apply().code, 0);
    assert_eq!(world(&sandbox), before);
    fs::remove_dir_all(elsewhere.path()).expect("a folder");
    sandbox.rewrite(&format!("{mounts}ports: ['38097:80']\n"));
    refused(&apply());
    sandbox.rewrite(&format!("{mounts}env: {{A: b}}\n"));
    assert_eq!(apply().code, 0, "it is compared with the labels");
}

/// A sandbox applied by another user of the engine is observed as it is, and not recreated.
#[test]
fn values_sealed_by_another_key_replace_nothing() {
    let sandbox = Sandbox::new(
        "image: debian:trixie-slim\ndependencies: [postgres]\nenv_file: e.env\nsecrets: {T: 'env://HOME'}\n",
    );
    fs::write(sandbox.path().join("e.env"), "PASSWORD=hunter2\n").expect("a file");
    sandbox.apply();
    let before = world(&sandbox);
    let other = tempfile::tempdir().expect("a folder");
    let as_other = |args: &[&str]| {
        let mut moat = sandbox.moat(args);
        moat.command.env("MOAT_STATE_DIR", other.path());
        moat.run()
    };
    let plan = as_other(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{plan}");
    for _ in 0..2 {
        assert_eq!(as_other(&["apply"]).code, 0);
        sandbox.moat(&["apply"]).ok();
    }
    assert_eq!(world(&sandbox), before);
    // The owner of the key still detects a changed value.
    fs::write(sandbox.path().join("e.env"), "PASSWORD=other\n").expect("a file");
    assert_eq!(as_other(&["plan", "--detailed-exitcode"]).code, 0);
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 2);
}

/// The build of an internal sandbox must not leak its files.
#[test]
fn an_internal_build_is_approved_with_its_files() {
    let dir = |sandbox: &Sandbox| sandbox.path().join("image");
    for (internal, expected) in [(true, NOT_APPROVED), (false, 0)] {
        let sandbox = Sandbox::new(&format!("build: {{context: image}}\nnetwork: {{internal: {internal}}}\n"));
        fs::create_dir(dir(&sandbox)).expect("a folder");
        write(&dir(&sandbox), "Dockerfile", "FROM busybox\nCOPY f /f\n");
        write(&dir(&sandbox), "f", "one\n");
        sandbox.apply();
        write(&dir(&sandbox), "f", "two\n");
        let ran = sandbox.moat(&["apply"]).run();
        assert_eq!(ran.code, expected, "internal: {internal}\n{ran}");
        write(&dir(&sandbox), "Dockerfile", "FROM busybox\nCOPY f /f\nRUN true\n");
        refused(&sandbox.moat(&["apply"]).run());
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("a file");
}

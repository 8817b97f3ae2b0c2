//! Links that moat or Docker would follow, and mounts of private folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use testkit::engine::engine;
use testkit::sandbox::{PLAIN, Sandbox};

/// A private file on the Docker host.
struct Canary {
    dir: TempDir,
}

const SECRET: &str = "canary-b7d1";

impl Canary {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("secret"), SECRET).expect("a file");
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("a path")
    }

    /// Checks that no file in a container has its content.
    #[track_caller]
    fn assert_unseen(&self, sandbox: &Sandbox) {
        let script = format!("grep -rsl {SECRET} / --include=secret 2>/dev/null | grep -v ^/proc; true");
        assert_eq!(sandbox.docker_exec("main", &["sh", "-c", &script]), "");
        let names: Vec<_> = fs::read_dir(self.dir.path()).expect("a folder").collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }
}

/// Checks that the spec is refused with a location, and that nothing is created.
#[track_caller]
fn refused(sandbox: &Sandbox, spec: &str, word: &str) {
    sandbox.rewrite(&format!("{PLAIN}{spec}"));
    for command in ["validate", "plan", "apply", "run"] {
        let arguments: &[&str] = if command == "run" { &["run", "--", "true"] } else { &[command] };
        let ran = sandbox.moat(arguments).run();
        assert_eq!(ran.code, 65, "{command}: {ran}");
        assert!(ran.stderr.contains(word) && ran.stderr.contains("agent.yaml:"), "{command}: {ran}");
    }
    assert_eq!(sandbox.find("main"), None);
}

#[test]
fn a_replaceable_mount_source_is_refused() {
    let sandbox = Sandbox::new(PLAIN);
    let folder = sandbox.path();
    fs::create_dir_all(folder.join("cache/deep/er")).expect("folders");
    fs::create_dir_all(sandbox.home().join("else")).expect("a folder");
    symlink(folder.join("cache"), sandbox.home().join("in")).expect("a link");
    symlink("/etc", folder.join("out")).expect("a link");
    symlink("project/out", sandbox.home().join("round")).expect("a link");
    let word = "a folder that the sandbox can write";
    for mount in [
        "./cache:/cache",
        "./cache:/cache:ro",
        "./cache/deep/er:/cache",
        "./agent.yaml:/spec:ro",
        "../else/../project/cache:/cache",
        "./out:/out",
        "./missing/yet:/new",
        "../in:/in",
        "../in/deep:/in",
        "../round:/round",
    ] {
        refused(&sandbox, &format!("workspace: .\nmounts: ['{mount}']\n"), word);
    }
    refused(&sandbox, "workspace: ./cache\nmounts: ['.:/all']\n", word);
    refused(&sandbox, "mounts: ['.:/all', {source: ./cache, target: /cache, exclude: [deep]}]\n", word);
    fs::create_dir(folder.join("specs")).expect("a folder");
    let own = format!(
        "capability: own\nsummary: a\nmain: {{mounts: [{{path: {}, target: /c}}]}}\n",
        folder.canonicalize().expect("a path").join("cache").display()
    );
    fs::write(folder.join("specs/own.yaml"), own).expect("a capability");
    refused(&sandbox, "workspace: .\ndependencies: [own]\n", word);
    // A folder beside it and a read-only mount are accepted.
    sandbox.rewrite(&format!("{PLAIN}workspace: ./cache\nmounts: ['../else:/else', '.:/all:ro']\n"));
    sandbox.apply();
}

/// A link created in the path after the apply: all commands that would make Docker follow it refuse.
#[test]
fn a_folder_replaced_by_a_link_is_not_mounted() {
    let canary = Canary::new();
    let sandbox = Sandbox::new(PLAIN);
    fs::create_dir_all(sandbox.home().join("data/in")).expect("folders");
    // In the first apply the folders are unrelated.
    let spec = format!("{PLAIN}workspace: .\nmounts: ['../data/in:/in']\n");
    sandbox.rewrite(&spec);
    sandbox.apply();
    // A user moves the data into the project and leaves a link; from then on the sandbox can replace it.
    fs::rename(sandbox.home().join("data"), sandbox.path().join("data")).expect("it moves");
    symlink("project/data", sandbox.home().join("data")).expect("a link");
    let attack = format!("cd /workspace/data && rmdir in && ln -s {} in", canary.path().display());
    sandbox.docker_exec("main", &["sh", "-c", &attack]);
    for command in ["restart", "apply", "plan"] {
        let ran = sandbox.moat(&[command]).run();
        assert_eq!(ran.code, 65, "{command}: {ran}");
        assert!(ran.stderr.contains("a folder that the sandbox can write"), "{command}: {ran}");
        canary.assert_unseen(&sandbox);
    }
}

/// A hidden path has no source on the host: a link in its place resolves only inside.
#[test]
fn a_hidden_folder_replaced_by_a_link_exposes_nothing() {
    let canary = Canary::new();
    let sandbox = Sandbox::new(&format!("{PLAIN}workspace: {{path: ., exclude: [cache/deep]}}\n"));
    fs::create_dir_all(sandbox.path().join("cache/deep")).expect("folders");
    sandbox.apply();
    let attack = format!("cd /workspace; mv cache old; mkdir cache; ln -s {} cache/deep", canary.path().display());
    sandbox.docker_exec("main", &["sh", "-c", &attack]);
    let main = sandbox.main();
    engine().try_docker(&["restart", "--time", "0", &main]);
    if sandbox.inspect("main", "{{.State.Running}}") == "true" {
        canary.assert_unseen(&sandbox);
        sandbox.docker_exec("main", &["sh", "-c", "touch /workspace/cache/deep/written; true"]);
    }
    assert_eq!(fs::read_dir(canary.path()).expect("a folder").count(), 1);
}

/// Regression: the spec's files were mounted over themselves. An editor on the host saves by rename, Linux then drops the
/// mount, and the sandbox could create a link there.
#[test]
fn a_spec_replaced_by_a_link_is_not_mounted() {
    let canary = Canary::new();
    let sandbox = Sandbox::applied(&format!("{PLAIN}workspace: .\n"));
    let spec = sandbox.path().join("agent.yaml");
    fs::write(sandbox.path().join("new"), fs::read(&spec).expect("a spec")).expect("a file");
    fs::rename(sandbox.path().join("new"), &spec).expect("an editor saves");
    let attack = format!("ln -sf {}/secret /workspace/agent.yaml", canary.path().display());
    sandbox.docker_exec("main", &["sh", "-c", &attack]);
    let main = sandbox.main();
    engine().docker(&["restart", "--time", "0", &main]);
    canary.assert_unseen(&sandbox);
    let seen = engine().try_docker(&["exec", &main, "cat", "/workspace/agent.yaml"]);
    assert!(!seen.stdout.contains(SECRET), "{seen}");
}

#[test]
fn moats_files_and_keys_cannot_be_mounted() {
    let sandbox = Sandbox::new(PLAIN);
    let home = sandbox.home();
    fs::create_dir_all(home.join(".local/state/moat/audit")).expect("folders");
    fs::create_dir_all(home.join(".ssh")).expect("a folder");
    symlink(home, sandbox.path().join("all")).expect("a link");
    symlink(home.join(".local/state"), sandbox.path().join("state")).expect("a link");
    for spec in [
        "workspace: ..\n",
        "workspace: '~'\n",
        "mounts: ['~:/home/me:ro']\n",
        "mounts: ['/:/host:ro']\n",
        "mounts: ['~/.local:/l']\n",
        "mounts: ['~/.local/state/moat:/m']\n",
        "mounts: ['~/.local/state/moat/audit:/m:ro']\n",
        "mounts: ['./all:/all']\n",
        "mounts: ['./state/moat/audit:/audit']\n",
    ] {
        refused(&sandbox, spec, "moat's own files");
    }
    // The state directory can be elsewhere; the keys remain.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let validated = |spec: &str| {
        sandbox.rewrite(&format!("{PLAIN}{spec}"));
        let mut moat = sandbox.moat(&["validate"]);
        moat.command.env("MOAT_STATE_DIR", elsewhere.path());
        moat.run()
    };
    for spec in ["workspace: ..\n", "mounts: ['./all:/all:ro']\n"] {
        let ran = validated(spec);
        assert!(ran.code == 65 && ran.stderr.contains("your keys"), "{spec}: {ran}");
    }
    for spec in ["mounts: ['~/.ssh:/root/.ssh:ro', '~/.local:/l']\n", "workspace: .\n"] {
        assert_eq!(validated(spec).code, 0, "{spec}");
    }
    // A state directory in the project.
    sandbox.rewrite(&format!("{PLAIN}workspace: .\n"));
    let mut moat = sandbox.moat(&["apply"]);
    moat.command.env("MOAT_STATE_DIR", ".state");
    let ran = moat.run();
    assert!(ran.code == 65 && ran.stderr.contains("moat's own files"), "{ran}");
}

/// Links that another sandbox can create must not be followed either.
#[test]
fn a_mount_source_replaceable_by_another_sandbox_is_refused() {
    let canary = Canary::new();
    let other = Sandbox::applied(&format!("{PLAIN}workspace: .\n"));
    for folder in ["data/deep", "beside"] {
        fs::create_dir_all(other.path().join(folder)).expect("folders");
    }
    let root = other.path().canonicalize().expect("a path");
    for stopped in [false, true] {
        if stopped {
            other.moat(&["stop"]).ok();
        }
        for source in
            [format!("{}/data/deep", root.display()), format!("{}/data", root.display()), "../link".to_owned()]
        {
            let sandbox = Sandbox::new(&format!("{PLAIN}mounts: ['{source}:/data:ro']\n"));
            symlink(root.join("data"), sandbox.home().join("link")).expect("a link");
            let planned = sandbox.moat(&["plan"]).ok();
            assert!(planned.stderr.contains("would refuse"), "{planned}");
            let ran = sandbox.moat(&["apply", "--json"]).run();
            assert!(ran.code == 1 && ran.stdout.contains("mount-source-unsafe"), "{source}: {ran}");
            assert!(ran.stdout.contains(&other.agent), "{source}: {ran}");
            assert_eq!(sandbox.find("main"), None);
        }
    }
    // The same for a workspace. Sharing the whole folder is accepted, and a folder beside it too.
    let sandbox = Sandbox::new(&format!("{PLAIN}workspace: {}/beside\n", root.display()));
    assert_eq!(sandbox.moat(&["apply"]).run().code, 1);
    // A user can approve it by name.
    let plan: Value = serde_json::from_str(&sandbox.moat(&["plan", "--json"]).ok().stdout).expect("JSON");
    sandbox.moat(&["apply", "--approve", plan["approval"]["digest"].as_str().expect("a digest")]).ok();
    sandbox.moat(&["destroy", "--yes"]).ok();
    sandbox.moat(&["apply"]).ok();
    sandbox.rewrite(&format!(
        "{PLAIN}mounts: ['{}:/shared', '{}:/etc-of-ours:ro']\n",
        root.display(),
        canary.path().display()
    ));
    sandbox.apply();
}

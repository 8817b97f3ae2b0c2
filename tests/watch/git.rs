//! Git in the sandbox, in a repository that tracks `agent.yaml` and `.env`, while a watch runs on the host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use testkit::run::{run, until};
use testkit::sandbox::Sandbox;
use testkit::watched::Watched;

/// An unprivileged image that has git, and a remote repository at `/remote.git`.
const SPEC: &str = "image: docker:cli
env: {GIT_AUTHOR_NAME: a, GIT_AUTHOR_EMAIL: a@b, GIT_COMMITTER_NAME: a, GIT_COMMITTER_EMAIL: a@b}
workspace: .
env_file: .env
mounts: ['../remote.git:/remote.git']
";

/// Runs git on the host.
fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    let options =
        ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main", "-c", "safe.directory=*"];
    command.args(options).args(arguments).current_dir(folder);
    let ran = run(command, b"");
    assert_eq!(ran.code, 0, "git {}: {ran}", arguments.join(" "));
}

/// A clone with two branches: on `other` the spec asks for more, and `.env` has another value.
fn repository() -> Sandbox {
    let sandbox = Sandbox::new(SPEC);
    let folder = sandbox.path();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("a folder of ours");
    fs::write(folder.join(".env"), "A=main\n").expect("a file");
    git(folder, &["init", "--quiet"]);
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "-m", "main"]);
    git(folder, &["checkout", "--quiet", "-b", "other"]);
    let spec = fs::read_to_string(folder.join("agent.yaml")).expect("a spec");
    fs::write(folder.join("agent.yaml"), format!("{spec}user: root\n")).expect("a file");
    fs::write(folder.join(".env"), "A=other\n").expect("a file");
    git(folder, &["commit", "--quiet", "--all", "-m", "other"]);
    git(folder, &["checkout", "--quiet", "main"]);
    git(sandbox.home(), &["clone", "--quiet", "--bare", "project", "remote.git"]);
    git(folder, &["remote", "add", "origin", "../remote.git"]);
    sandbox
}

/// Steps in the sandbox, and whether the watch holds the spec after each. All but those that edit files leave a clean
/// work tree.
const STEPS: [(&str, bool); 16] = [
    ("git checkout -q other; grep -q other .env", true),
    ("git checkout -q main; grep -q main .env", false),
    ("echo 'user: root' >>agent.yaml; echo B=more >>.env", true),
    ("git stash -q; ! grep -q user agent.yaml", false),
    ("git stash pop -q; grep -q user agent.yaml; grep -q more .env", true),
    ("git reset -q --hard; grep -q main .env", false),
    ("git checkout -q -b topic; echo 'user: root' >>agent.yaml; echo A=topic >.env; git commit -qam topic", true),
    ("git checkout -q main; echo two >two; git add two; git commit -qm two", false),
    ("git checkout -q topic; git rebase -q main; test -e two; grep -q topic .env", true),
    ("git checkout -q main; git fetch -q", false),
    ("git pull -q --rebase origin other; grep -q other .env; test -e two", true),
    ("git reset -q --hard $(git log --format=%H --grep=^main$); ! test -e two", false),
    ("git worktree add -q /workspace/tree other; git -C tree status --porcelain; git worktree remove tree", false),
    ("git checkout -q -b mine --track origin/other; test $(git rev-parse --abbrev-ref '@{u}') = origin/other", true),
    ("git push -q -u origin mine topic", true),
    ("git checkout -q main; git fsck --no-progress", false),
];

fn is_held(sandbox: &Sandbox) -> bool {
    sandbox.status()["watch"]["held"].as_array().is_some_and(|held| !held.is_empty())
}

#[test]
fn git_works_inside_and_a_wider_spec_is_held() {
    let sandbox = repository();
    let mut watch = Watched::new(&sandbox, &[]);
    watch.events.clear();
    let state = || sandbox.inspect("main", "{{.Id}} {{.State.StartedAt}} {{json .HostConfig}} {{.Config.User}}");
    let before = state();
    for (script, held) in STEPS {
        let ran = sandbox.sh(&format!("set -eu; cd /workspace; {script}"));
        assert_eq!(ran.code, 0, "{script}\n{ran}");
        let edits = script.contains("B=more") || script.contains("stash pop");
        assert_eq!(sandbox.sh_ok("git -C /workspace status --porcelain").is_empty(), !edits, "{script}");
        assert!(until(|| is_held(&sandbox) == held), "{script}\n{:#}", sandbox.status());
        assert_eq!(state(), before, "{script}");
    }
    watch.quiet();
    watch.heard();
    assert_eq!(watch.done(), <[String; 0]>::default(), "no step takes effect");
    assert!(!is_held(&sandbox));
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);
    let branches = sandbox.sh_ok("git -C /remote.git -c safe.directory='*' branch --format='%(refname:short)'");
    assert_eq!(branches.split_whitespace().collect::<Vec<_>>(), ["main", "mine", "other", "topic"]);
}

//! Protection of the programs that git runs on the host, while git works inside.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use testkit::engine::engine;
use testkit::run::run;
use testkit::sandbox::Sandbox;

/// An image that has git, without privileges.
const GIT: &str = "image: docker:cli\nenv: {GIT_AUTHOR_NAME: a, GIT_AUTHOR_EMAIL: a@b, GIT_COMMITTER_NAME: a, GIT_COMMITTER_EMAIL: a@b}\n";

/// Git on the host.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    let identity =
        ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main", "-c", "safe.directory=*"];
    command.args(identity).args(arguments).current_dir(folder);
    let ran = run(command, b"");
    assert_eq!(ran.code, 0, "git {}: {ran}", arguments.join(" "));
    ran.stdout.trim_end().to_owned()
}

/// A project in git with its spec and `.env`, a bare remote repository, and a branch in which both files differ.
fn project(spec: &str) -> Sandbox {
    let sandbox = Sandbox::new(spec);
    let folder = sandbox.path();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("a folder of ours");
    fs::write(folder.join(".env"), "A=main\n").expect("a file");
    fs::write(folder.join("file"), "one\n").expect("a file");
    git(folder, &["init", "--quiet"]);
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "-m", "main"]);
    let spec = fs::read_to_string(folder.join("agent.yaml")).expect("a spec");
    git(folder, &["checkout", "--quiet", "-b", "other"]);
    fs::write(folder.join("agent.yaml"), format!("{spec}labels: {{on: other}}\n")).expect("a file");
    fs::write(folder.join(".env"), "A=other\n").expect("a file");
    git(folder, &["commit", "--quiet", "--all", "-m", "other"]);
    git(folder, &["checkout", "--quiet", "main"]);
    git(sandbox.home(), &["clone", "--quiet", "--bare", "project", "remote.git"]);
    git(folder, &["remote", "add", "origin", "../remote.git"]);
    sandbox
}

/// Usual git commands in a repository at `/workspace` with the remote `/remote.git`.
const DAY: &str = r#"
exec 3>&1 >/dev/null
set -eu
cd /workspace
git checkout -q other; test "$(cat .env)" = A=other; test -z "$(git status --porcelain)"
git checkout -q main; test "$(cat .env)" = A=main; test -z "$(git status --porcelain)"
echo more >>.env; echo '# more' >>agent.yaml
git stash -q; test "$(cat .env)" = A=main; git stash pop -q; test "$(wc -l <.env)" = 2
git reset -q --hard; test -z "$(git status --porcelain)"
echo two >>file; git commit -qam two
git checkout -q -b topic HEAD~1; echo A=topic >.env; git commit -qam topic
git rebase -q main; test "$(cat .env)" = A=topic
git push -q -u origin topic
git fetch -q; git checkout -q -b mine --track origin/other; test "$(git rev-parse --abbrev-ref '@{u}')" = origin/other
git checkout -q main; git pull -q --rebase origin other; test "$(cat .env)" = A=other
git merge -q --no-edit topic -X theirs; test "$(cat .env)" = A=topic
git worktree add -q /tmp/tree-$$ other; git -C /tmp/tree-$$ status --porcelain; git worktree remove /tmp/tree-$$
git branch -q -D mine; git gc -q; git fsck --no-progress
test -z "$(git status --porcelain)"
echo done >&3
"#;

#[test]
fn git_works_in_a_workspace_with_protected_files() {
    let spec = format!("{GIT}env_file: .env\nworkspace: .\nmounts: ['../remote.git:/remote.git']\n");
    let sandbox = project(&spec);
    sandbox.apply();
    let main = sandbox.main();
    assert_eq!(sandbox.sh_ok(DAY), "done");
    assert_eq!(sandbox.main(), main);
    assert_eq!(git(sandbox.path(), &["status", "--porcelain"]), "");
    assert_eq!(git(&sandbox.home().join("remote.git"), &["log", "-1", "--format=%s", "topic"]), "topic");
}

/// A workspace of another user, unknown in the container, used as root.
#[test]
fn git_trusts_a_workspace_of_another_user() {
    let sandbox = project(&format!("{GIT}env_file: .env\nworkspace: .\n"));
    for path in [sandbox.path().to_owned(), sandbox.path().join(".git")] {
        chown(path, Some(4242), Some(4242)).expect("root");
    }
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("git status --porcelain; git log -1 --format=%s"), "main");
    assert_eq!(sandbox.docker_exec("main", &["git", "-C", "/workspace", "log", "-1", "--format=%s"]), "main");
}

/// Checks that there is no program that the host's git would run, and no link that Docker would follow.
const HOOKS: [&str; 7] = [
    "echo 'touch /tmp/canary' >$HOOKS/post-checkout",
    "cp /bin/true $HOOKS/pre-commit; chmod +x $HOOKS/pre-commit",
    "mv $HOOKS $HOOKS.old && mkdir $HOOKS",
    "rm -rf $HOOKS && ln -s / $HOOKS",
    "cd ${HOOKS%/hooks}/.. && mv .git .old && mkdir -p .git && ln -s / .git/hooks",
    "ln -sf /etc/passwd $HOOKS/update",
    "umount $HOOKS && touch $HOOKS/pre-push",
];

#[track_caller]
fn assert_kept(sandbox: &Sandbox, hooks: &Path, inside: &str) {
    let list = || -> Vec<_> {
        let entries = fs::read_dir(hooks).expect("a folder").map(|entry| entry.expect("an entry"));
        let mut all: Vec<_> = entries.map(|it| (it.file_name(), fs::read(it.path()).expect("a file"))).collect();
        all.sort();
        all
    };
    let before = list();
    for script in HOOKS {
        let script = script.replace("$HOOKS", inside).replace("${HOOKS%/hooks}", inside.trim_end_matches("/hooks"));
        engine().try_docker(&["exec", &sandbox.main(), "sh", "-c", &script]);
        assert!(fs::symlink_metadata(hooks).expect("a folder").is_dir(), "{script}");
        assert_eq!(list(), before, "{script}");
    }
}

#[test]
fn git_hooks_are_read_only() {
    let sandbox = project(&format!("{GIT}workspace: .\n"));
    let hooks = sandbox.path().join(".git/hooks");
    fs::write(hooks.join("pre-commit"), "#!/bin/sh\necho ran >>/tmp/hook\n").expect("a hook");
    fs::set_permissions(hooks.join("pre-commit"), fs::Permissions::from_mode(0o755)).expect("a hook");
    sandbox.apply();
    assert_kept(&sandbox, &hooks, "/workspace/.git/hooks");
    let restarted = sandbox.main();
    engine().docker(&["restart", "--time", "0", &restarted]);
    assert_kept(&sandbox, &hooks, "/workspace/.git/hooks");
    // Inside, hooks run as usual, and git can be configured.
    sandbox
        .sh_ok("cd /workspace && git config a.b c && echo x >x && git add x && git commit -qm x && test -s /tmp/hook");

    // Missing hooks cannot be created.
    let without = Sandbox::new(&format!("{GIT}workspace: .\n"));
    git(without.path(), &["init", "--quiet", "--template="]);
    without.apply();
    let script = "mkdir -p /workspace/.git/hooks; echo x >/workspace/.git/hooks/pre-commit";
    engine().try_docker(&["exec", &without.main(), "sh", "-c", script]);
    assert!(!without.path().join(".git/hooks/pre-commit").exists());
}

#[test]
fn a_git_worktree_works_inside() {
    let sandbox = project(&format!("{GIT}env_file: .env\nworkspace: .\n"));
    let home = sandbox.home().canonicalize().expect("a path");
    // The project becomes a worktree of a repository beside it.
    git(&home, &["clone", "--quiet", "project", "repo"]);
    git(&home.join("repo"), &["checkout", "--quiet", "-b", "unused"]);
    git(&home.join("repo"), &["remote", "set-url", "origin", "/remote.git"]);
    git(&home.join("repo"), &["branch", "--quiet", "other", "origin/other"]);
    fs::remove_dir_all(sandbox.path()).expect("a folder");
    git(&home.join("repo"), &["worktree", "add", "--quiet", "../project", "main"]);
    let spec = format!("{GIT}env_file: .env\nworkspace: .\nmounts: ['../remote.git:/remote.git']\n");
    sandbox.rewrite(&spec);
    git(sandbox.path(), &["commit", "--quiet", "--all", "-m", "spec"]);
    let planned = sandbox.moat(&["plan", "--json"]).ok();
    assert!(planned.stdout.contains("repo/.git"), "it is shown: {planned}");
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("git status --porcelain; git log -1 --format=%s"), "spec");
    assert_eq!(
        sandbox.sh_ok("cd /workspace && echo x >x && git add x && git commit -qm inside && git gc -q && echo done"),
        "done"
    );
    assert_eq!(git(sandbox.path(), &["log", "-1", "--format=%s"]), "inside");
    assert_kept(&sandbox, &home.join("repo/.git/hooks"), &format!("{}/repo/.git/hooks", home.display()));
    sandbox.assert_ready();
}

/// The sandbox can write the file `.git`: its target counts only if git has registered the worktree.
#[test]
fn a_git_file_cannot_name_another_directory() {
    let sandbox = Sandbox::new(&format!("{GIT}workspace: .\n"));
    let target = sandbox.home().join("target");
    fs::create_dir_all(target.join("worktrees/x")).expect("folders");
    for named in ["/etc", "../target/worktrees/x", "/"] {
        fs::write(sandbox.path().join(".git"), format!("gitdir: {named}\n")).expect("a file");
        let ran = sandbox.apply();
        assert!(ran.stderr.contains("git does not work in the sandbox"), "{ran}");
        let mounts = sandbox.inspect("main", "{{range .Mounts}}{{.Destination}} {{end}}");
        assert_eq!(mounts.trim(), "/workspace", "{named}");
    }
}

#[test]
fn a_subdirectory_of_a_repository_gets_a_hint() {
    let sandbox = Sandbox::new(&format!("{GIT}workspace: ./sub\n"));
    fs::create_dir(sandbox.path().join("sub")).expect("a folder");
    git(sandbox.path(), &["init", "--quiet"]);
    let ran = sandbox.apply();
    assert!(ran.stderr.contains("git does not work in the sandbox"), "{ran}");
    // The hint helps.
    let root = sandbox.path().canonicalize().expect("a path");
    let hint = format!("`workspace: {{path: {}}}` and `workdir: /workspace/sub`", root.display());
    assert!(ran.stderr.contains(&hint), "{hint}: {ran}");
    sandbox.rewrite(&format!("{GIT}workspace: {{path: {}}}\nworkdir: /workspace/sub\n", root.display()));
    let ran = sandbox.apply();
    assert!(!ran.stderr.contains("git does not work"), "{ran}");
    assert_eq!(sandbox.sh_ok("git rev-parse --show-prefix"), "sub/");
}

//! Specs of new runs in folders that a sandbox can write: their first apply needs approval.

use std::fs;
use std::os::unix::fs::symlink;

use testkit::run::Ran;
use testkit::sandbox::{PLAIN, Sandbox};

const WORKSPACE: &str = "image: busybox\nworkspace: .\n";

fn refused(ran: &Ran) {
    assert_eq!(ran.code, 77, "{ran}");
    assert!(ran.stderr.contains("can write"), "{ran}");
}

/// The sandbox writes a file into its workspace.
fn writes(sandbox: &Sandbox, name: &str, text: &str) {
    let path = sandbox.path().join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

#[test]
fn a_spec_in_a_sandbox_writable_folder_needs_approval() {
    let sandbox = Sandbox::applied(WORKSPACE);
    let stolen = format!("{WORKSPACE}secrets: {{T: 'cmd://touch {}/canary; echo x'}}\n", sandbox.path().display());
    let canary = sandbox.path().join("canary");
    let other = format!("agent: {}-b\n{stolen}", sandbox.agent);

    // Another name is another run.
    writes(&sandbox, "agent.yaml", &other);
    refused(&sandbox.moat(&["apply"]).run());
    // So is a second document.
    let own = format!("agent: {}\n{WORKSPACE}", sandbox.agent);
    writes(&sandbox, "agent.yaml", &format!("{own}---\n{other}"));
    refused(&sandbox.moat(&["apply"]).run());
    // And a file in a folder below, or a folder of specs.
    writes(&sandbox, "agent.yaml", &own);
    writes(&sandbox, "sub/agent.yaml", &other);
    refused(&sandbox.moat(&["apply", "sub"]).run());
    writes(&sandbox, "team/one.yaml", &other);
    refused(&sandbox.moat(&["apply", "team"]).run());
    refused(&sandbox.moat(&["run", "--rm", "team", "--", "true"]).run());
    assert!(!canary.exists());

    // A removed sandbox may have written it too.
    sandbox.moat(&["destroy", "--yes"]).ok();
    refused(&sandbox.moat(&["apply", "sub"]).run());
    assert!(!canary.exists());
    // The approval persists.
    sandbox.moat(&["apply"]).ok();
}

#[test]
fn a_sandbox_writable_file_makes_the_spec_need_approval() {
    let sandbox = Sandbox::applied(WORKSPACE);
    writes(&sandbox, "base.yaml", "env: {A: b}\n");
    let outside = Sandbox::new(&format!("{PLAIN}extends: {}/base.yaml\n", sandbox.path().display()));
    refused(&outside.moat(&["apply"]).state_of(&sandbox).run());
    // A link from another folder makes no difference.
    let link = outside.path().join("link.yaml");
    symlink(sandbox.path().join("base.yaml"), link).expect("a link");
    outside.rewrite(&format!("{PLAIN}extends: link.yaml\n"));
    refused(&outside.moat(&["apply"]).state_of(&sandbox).run());
    // On its own it has no author.
    outside.rewrite(PLAIN);
    outside.moat(&["apply"]).state_of(&sandbox).ok();
}

/// The labels on the engine reveal a sandbox that this user's files do not know.
#[test]
fn a_sandbox_of_another_user_counts_as_an_author() {
    let sandbox = Sandbox::applied(WORKSPACE);
    let state = tempfile::tempdir().expect("a folder");
    fs::create_dir(sandbox.path().join("sub")).expect("a folder");
    fs::write(sandbox.path().join("sub/agent.yaml"), format!("agent: {}-b\n{PLAIN}", sandbox.agent)).expect("a file");
    let mut apply = sandbox.moat(&["apply", "sub"]);
    apply.command.env("MOAT_STATE_DIR", state.path());
    refused(&apply.run());
}

/// A link in place of a file with values: its target on the host is not read.
#[test]
fn values_are_not_read_through_links_planted_by_a_sandbox() {
    let sandbox = Sandbox::new(&format!("{WORKSPACE}env_file: more.env\nsecrets: {{T: 'file://token'}}\n"));
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("secret"), "STOLEN=hunter2\n").expect("a file");
    fs::write(sandbox.path().join("more.env"), "MORE=1\n").expect("a file");
    fs::write(sandbox.path().join("token"), "one").expect("a file");
    sandbox.apply();
    let secret = outside.path().join("secret").display().to_string();
    for name in ["more.env", "token"] {
        let before = fs::read(sandbox.path().join(name)).expect("a file");
        fs::remove_file(sandbox.path().join(name)).expect("a file");
        symlink(&secret, sandbox.path().join(name)).expect("a link");
        for command in ["apply", "plan"] {
            let ran = sandbox.moat(&[command]).run();
            assert!(ran.code != 0 && ran.stderr.contains("link"), "{name}\n{ran}");
        }
        fs::remove_file(sandbox.path().join(name)).expect("a link");
        fs::write(sandbox.path().join(name), before).expect("a file");
    }
    sandbox.moat(&["apply"]).ok();
    assert_eq!(sandbox.sh_ok("echo $STOLEN$T"), "one");
}

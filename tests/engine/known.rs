//! Messages that refer to other known sandboxes.

use std::fs;

use testkit::sandbox::{PLAIN, Sandbox};

use crate::language::free_port;

#[test]
fn a_moved_folder_is_reported_as_another_sandbox() {
    let sandbox = Sandbox::applied(PLAIN);
    let old = sandbox.run_id();
    let moved = sandbox.home().join("moved");
    fs::rename(sandbox.path(), &moved).expect("a folder that can be moved");
    for command in [&["plan"][..], &["apply"]] {
        let mut moat = sandbox.moat(command);
        moat.command.current_dir(&moved);
        let ran = moat.ok();
        assert!(ran.stderr.contains(&format!("`{old}` of the same agent has the spec")), "{ran}");
        assert!(ran.stderr.contains(&format!("`moat destroy {old}`")), "{ran}");
    }
    // Later it is known, and not reported again.
    let mut again = sandbox.moat(&["apply"]);
    again.command.current_dir(&moved);
    let ran = again.ok();
    assert!(!ran.stderr.contains(&old), "{ran}");
    fs::rename(&moved, sandbox.path()).expect("back");
}

#[test]
fn two_checkouts_are_two_sandboxes_without_a_warning() {
    let sandbox = Sandbox::applied(PLAIN);
    let copy = sandbox.home().join("copy");
    fs::create_dir(&copy).expect("a folder");
    fs::copy(sandbox.path().join("agent.yaml"), copy.join("agent.yaml")).expect("a copy");
    let mut moat = sandbox.moat(&["apply"]);
    moat.command.current_dir(&copy);
    let ran = moat.ok();
    assert!(!ran.stderr.contains("same agent"), "{ran}");
}

#[test]
fn a_port_conflict_names_the_other_sandbox() {
    let port = free_port();
    let spec = format!("{PLAIN}ports: ['127.0.0.1:{port}:80']\n");
    let holder = Sandbox::applied(&spec);
    let other = Sandbox::new(&spec);
    let ran = other.moat(&["apply"]).run();
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains(&format!("of the sandbox `{}`", holder.run_id())), "{ran}");
    assert!(ran.stderr.contains(&format!("`moat stop {}`", holder.run_id())), "{ran}");
}

#[test]
fn approvals_survive_destroy_and_are_removed_by_clean() {
    let sandbox = Sandbox::applied(PLAIN);
    let approval = sandbox.home().join(".local/state/moat/approvals").join(sandbox.run_id());
    sandbox.moat(&["destroy", "--yes"]).ok();
    assert!(approval.exists(), "{}", approval.display());
    sandbox.apply();
    let run = sandbox.run_id();
    fs::remove_file(sandbox.path().join("agent.yaml")).expect("a file");
    sandbox.moat(&["clean", "--yes", &run]).ok();
    assert_eq!(sandbox.find("main"), None);
    assert!(!approval.exists(), "{}", approval.display());
}

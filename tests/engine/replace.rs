//! Spec changes: only the changed containers are replaced, and a failed replacement is rolled back.

use expect_test::expect;
use testkit::sandbox::{DIND, PLAIN, Sandbox};

#[test]
fn a_changed_environment_replaces_main_alone() {
    let sandbox = Sandbox::applied(&format!("{DIND}env:\n  COLOUR: red\n"));
    let (main, sidecar) = (sandbox.main(), sandbox.inspect("buildkit", "{{.Id}} {{.State.StartedAt}}"));
    sandbox.sh_ok("docker volume create inner");

    sandbox.rewrite(&format!("{DIND}env:\n  COLOUR: blue\n  SIZE: 1.10\n"));
    expect![[r#"
        exit 0
        == stdout
        1.  create container moat-R.next1 [privileged]: changed
            env.COLOUR "red" -> "blue"
            env.SIZE unset -> "1.10"
        2.  upload container moat-R.next1 after 1: changed
        3.  stop container moat-R after 1, 2: superseded
        4.  start container moat-R.next1 after 1, 2, 3: changed
        5.  await container moat-R.next1 after 4: changed
        6.  remove container moat-R after 3, 5: superseded
        7.  rename container moat-R after 6: named moat-R.next1

        Plan: 7 to do (1 create, 1 upload, 1 stop, 1 start, 1 await, 1 remove, 1 rename)
        Hint: with `isolation: rootless` nothing here is privileged; see `moat explain isolation`
    "#]]
    .assert_eq(&sandbox.moat(&["plan"]).transcript());
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("echo $COLOUR $SIZE"), "blue 1.10");
    assert_ne!(sandbox.main(), main);
    assert_eq!(sandbox.inspect("main", "{{.Name}}"), format!("/moat-{}", sandbox.run_id()));
    assert_eq!(sandbox.inspect("buildkit", "{{.Id}} {{.State.StartedAt}}"), sidecar);
    // The volume of the inner Docker is the same.
    assert_eq!(sandbox.sh_ok("docker volume ls -q"), "inner");
    sandbox.assert_ready();
}

#[test]
fn the_old_container_keeps_running_when_the_new_one_fails() {
    let sandbox = Sandbox::applied(PLAIN);
    let before = (sandbox.main(), sandbox.inspect("main", "{{.State.StartedAt}}"));
    sandbox.rewrite(&format!("{PLAIN}command: exit 3\n"));
    let ran = sandbox.moat(&["apply"]).run();
    assert!(ran.code == 1 && ran.stderr.contains("exited with code 3"), "{ran}");
    assert_eq!((sandbox.main(), sandbox.inspect("main", "{{.State.StartedAt}}")), before, "it was never stopped");
}

/// A volume that both would write is never used by both.
#[test]
fn the_old_container_is_restored_when_the_new_one_fails() {
    comes_back("image: busybox\nvolumes: [\"data:/data\"]\n");
}

#[test]
fn the_old_inner_docker_is_restored_when_the_new_one_fails() {
    comes_back(DIND);
}

fn comes_back(spec: &str) {
    let sandbox = Sandbox::applied(spec);
    let (main, volumes) = (sandbox.main(), sandbox.volumes());
    sandbox.rewrite(&format!("{spec}command: echo no good >&2; exit 3\n"));
    expect![[r#"
        exit 1
        == stderr
        error: `moat-R.next1` exited with code 3
          | the last lines of container moat-R.next1
          |  no good
        rolled back: started container moat-R, removed container moat-R.next1
          = help: `--keep-on-failure` skips the rollback, for inspection
    "#]]
    .assert_eq(&without_daemon(&sandbox.moat(&["apply", "--quiet"]).transcript()));
    assert_eq!((sandbox.main(), sandbox.volumes()), (main, volumes));
    assert_eq!(sandbox.inspect("main", "{{.State.Running}} {{.Name}}"), format!("true /moat-{}", sandbox.run_id()));
    assert_eq!(sandbox.sh_ok("echo still here"), "still here");

    // Reverting the file gives the state as before.
    sandbox.rewrite(spec);
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);
    sandbox.assert_ready();
}

/// Removes the output of the inner Docker from the log.
fn without_daemon(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.contains("time=\"")).collect()
}

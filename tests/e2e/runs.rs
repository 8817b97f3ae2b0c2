//! A command that ends is a run: what ended with 0 stays as it is, and what failed says why.

use expect_test::expect;

use crate::engine::engine;
use crate::run::until;
use crate::sandbox::Sandbox;

const JOB: &str = "image: busybox\ncommand: echo done > /out/result; echo said\nvolumes: [\"out:/out\"]\n";

fn has_ended(sandbox: &Sandbox) -> bool {
    sandbox.inspect("main", "{{.State.Status}}") == "exited"
}

#[test]
fn what_ended_with_0_has_completed_and_is_left_alone() {
    let sandbox = Sandbox::new(JOB);
    let ran = sandbox.apply();
    assert!(ran.stderr.contains("has completed ("), "{ran}");
    let (id, began) = (sandbox.main(), sandbox.inspect("main", "{{.State.StartedAt}}"));
    let again = sandbox.apply();
    assert!(again.stderr.ends_with("has completed: nothing to do\nnext: moat restart\n"), "{again}");
    expect![[r#"
        exit 0
        == stdout
        Nothing to do: builder has completed, and `moat restart` runs it again
    "#]]
    .assert_eq(&sandbox.moat(&["plan", "--detailed-exitcode"]).told());
    assert_eq!((sandbox.main(), sandbox.inspect("main", "{{.State.StartedAt}}")), (id.clone(), began.clone()));
    let status = sandbox.status();
    assert_eq!(status["state"], "completed", "{status:#}");
    let main = status["resources"].as_array().expect("a list").iter().find(|it| it["role"] == "main");
    assert_eq!(main.map(|it| (&it["state"], &it["ready"])), Some((&"completed".into(), &true.into())), "{status:#}");
    let list = sandbox.moat(&["list"]).ok().stdout;
    let line = list.lines().find(|line| line.contains(&sandbox.agent)).expect("a line");
    assert!(line.contains("completed"), "{line}");
    let exec = sandbox.moat(&["exec", "--", "true"]).run();
    assert!(exec.code == 1 && exec.stderr.contains("`moat restart` runs its command again"), "{exec}");

    sandbox.moat(&["restart"]).ok();
    assert_eq!(sandbox.main(), id);
    assert_ne!(sandbox.inspect("main", "{{.State.StartedAt}}"), began);
    assert_eq!(sandbox.moat(&["logs"]).ok().stdout.matches("said").count(), 2);

    sandbox.rewrite(&JOB.replace("said", "said more"));
    sandbox.apply();
    assert_ne!(sandbox.main(), id, "another spec is another run");
    assert_eq!(sandbox.status()["state"], "completed");
}

#[test]
fn what_fails_says_so_with_its_code_and_its_last_words() {
    let sandbox = Sandbox::new("image: busybox\ncommand: echo first; echo broken >&2; exit 3\n");
    let ran = sandbox.moat(&["apply", "--keep-on-failure"]).run();
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("ended with exit code 3"), "{ran}");
    assert!(ran.stderr.contains("first\n") && ran.stderr.contains("broken\n"), "{ran}");
    assert_eq!(sandbox.status()["state"], "failed");
    let began = sandbox.inspect("main", "{{.State.StartedAt}}");
    // Another apply is another try.
    assert_eq!(sandbox.moat(&["apply"]).run().code, 1);
    assert_ne!(sandbox.inspect("main", "{{.State.StartedAt}}"), began);
}

/// It is found running, and fails while apply is still at work: it has failed, and is not run over and over.
#[test]
fn what_fails_a_little_later_is_run_once() {
    let slow = "image: busybox\ncommand: echo once; sleep 2; exit 4\nservices:\n  db:\n    image: busybox\n    \
                command: sleep infinity\nvolumes: [\"out:/out\"]\n";
    let sandbox = Sandbox::applied(slow);
    assert!(until(|| has_ended(&sandbox)));
    let status = sandbox.moat(&["status"]).ok();
    assert!(status.stdout.contains("failed\n"), "{status}");
    assert!(status.stdout.contains("exited with code 4"), "{status}");
    assert!(status.stdout.contains("| once\n"), "the end of what it said: {status}");
    assert_eq!(sandbox.moat(&["logs"]).ok().stdout.matches("once").count(), 1);
}

#[test]
fn killed_is_not_completed_and_neither_is_out_of_memory() {
    let sandbox = Sandbox::applied("image: busybox\ncommand: sleep 1000\n");
    for (act, code) in [("kill", "137"), ("stop", "143")] {
        engine().docker(&[act, &sandbox.main()]);
        assert!(until(|| has_ended(&sandbox)));
        assert_eq!(sandbox.inspect("main", "{{.State.ExitCode}}"), code);
        assert_eq!(sandbox.status()["state"], "failed", "{act}");
        assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 2, "{act}");
        sandbox.apply();
        assert_eq!(sandbox.inspect("main", "{{.State.Status}}"), "running");
    }
    sandbox.rewrite("image: busybox\ncommand: tail /dev/zero\ncontainer: {memory: 16m}\n");
    let ran = sandbox.moat(&["apply"]).run();
    assert!(ran.code == 1 && ran.stderr.contains("ran out of memory"), "{ran}");
    assert_eq!(sandbox.status()["state"], "degraded", "what ran before is put back");
}

/// A program that ends with 0 when it is asked to has not completed: it was stopped.
#[test]
fn a_stop_is_no_completion_and_a_start_runs_it_again() {
    let polite = "image: busybox\ncommand: trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done\n";
    let sandbox = Sandbox::applied(polite);
    sandbox.moat(&["stop"]).ok();
    assert_eq!(sandbox.inspect("main", "{{.State.ExitCode}}"), "0");
    assert_eq!(sandbox.status()["state"], "stopped");
    sandbox.moat(&["start"]).ok();
    assert_eq!(sandbox.inspect("main", "{{.State.Status}}"), "running");
    sandbox.assert_ready();
}

#[test]
fn a_run_with_a_check_and_a_docker_of_its_own_completes_too() {
    let sandbox = Sandbox::new(
        "image: busybox\ncommand: touch /ready; sleep 1\nhealthcheck:\n  command: test -e /ready\n  interval: 1s\n",
    );
    sandbox.apply();
    assert!(until(|| sandbox.status()["state"] == "completed"));
    let ran = sandbox.apply();
    assert!(ran.stderr.contains("nothing to do"), "{ran}");
    let dind = Sandbox::new("image: docker:dind\ndependencies: [docker:dind]\ncommand: docker info\n");
    dind.apply();
    assert!(until(|| dind.status()["state"] == "completed"));
    let ran = dind.apply();
    assert!(ran.stderr.contains("nothing to do") && !ran.stderr.contains("warning"), "{ran}");
}

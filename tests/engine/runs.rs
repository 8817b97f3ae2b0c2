//! Main commands that exit: exit code 0 means completed, and a failure is reported with its reason.

use expect_test::expect;
use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::{PLAIN, Sandbox};

const JOB: &str = "image: busybox\ncommand: echo done > /out/result; echo said\nvolumes: [\"out:/out\"]\n";

fn has_ended(sandbox: &Sandbox) -> bool {
    sandbox.inspect("main", "{{.State.Status}}") == "exited"
}

#[test]
fn exit_code_0_means_completed() {
    let sandbox = Sandbox::new(JOB);
    let ran = sandbox.apply();
    assert!(ran.stderr.contains("has completed ("), "{ran}");
    let (id, began) = (sandbox.main(), sandbox.inspect("main", "{{.State.StartedAt}}"));
    let again = sandbox.apply();
    assert!(again.stderr.ends_with("has completed: nothing to do\nnext: moat restart\n"), "{again}");
    expect![[r#"
        exit 0
        == stdout
        Nothing to do: builder has completed; `moat restart` runs it again
    "#]]
    .assert_eq(&sandbox.moat(&["plan", "--detailed-exitcode"]).transcript());
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
fn a_failed_run_shows_its_exit_code_and_last_output() {
    let sandbox = Sandbox::new("image: busybox\ncommand: echo first; echo broken >&2; exit 3\n");
    let ran = sandbox.moat(&["apply", "--keep-on-failure"]).run();
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("exited with code 3"), "{ran}");
    assert!(ran.stderr.contains("first\n") && ran.stderr.contains("broken\n"), "{ran}");
    assert_eq!(sandbox.status()["state"], "failed");
    let began = sandbox.inspect("main", "{{.State.StartedAt}}");
    // Another apply retries.
    assert_eq!(sandbox.moat(&["apply"]).run().code, 1);
    assert_ne!(sandbox.inspect("main", "{{.State.StartedAt}}"), began);
}

/// It is found running, and fails later: it has failed, and is not run over and over.
#[test]
fn a_run_that_fails_later_is_not_repeated() {
    let slow = "image: busybox\ncommand: echo once; until test -e /go; do sleep 0.1; done; exit 4\nservices:\n  db:\n    image: busybox\n    \
                command: sleep infinity\nvolumes: [\"out:/out\"]\n";
    let sandbox = Sandbox::applied(slow);
    sandbox.sh_ok("touch /go");
    assert!(until(|| has_ended(&sandbox)));
    let status = sandbox.moat(&["status"]).ok();
    assert!(status.stdout.contains("failed\n"), "{status}");
    assert!(status.stdout.contains("exited with code 4"), "{status}");
    assert!(status.stdout.contains("| once\n"), "the end of what it said: {status}");
    assert_eq!(sandbox.moat(&["logs"]).ok().stdout.matches("once").count(), 1);
}

#[test]
fn killed_and_out_of_memory_are_not_completed() {
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

/// A program that exits with 0 on SIGTERM was stopped and has not completed.
#[test]
fn a_stopped_run_is_not_completed_and_starts_again() {
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
fn a_run_with_a_check_and_an_inner_docker_completes() {
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

/// The objects of the test's agents on the engine, by name.
fn left(sandbox: &Sandbox) -> Vec<String> {
    let filter = format!("label=moat.agent={}", sandbox.agent);
    let lists = [&["ps", "-aq"][..], &["network", "ls", "-q"], &["volume", "ls", "-q"]];
    lists.iter().flat_map(|list| engine().list(&[list, &["--filter", &filter][..]].concat())).collect()
}

#[test]
fn run_applies_and_returns_the_commands_output() {
    let sandbox = Sandbox::new(PLAIN);
    let ran = sandbox
        .moat(&["run", "-e", "A=b c", "--", "sh", "-c", "cat; echo $A; echo bad >&2; exit 7"])
        .input("in\n")
        .run();
    assert_eq!((ran.code, ran.stdout.as_str()), (7, "in\nb c\n"), "{ran}");
    // The events go to standard error.
    assert!(ran.stderr.contains("is ready (") && ran.stderr.contains("bad\n"), "{ran}");
    let id = sandbox.main();
    let ran = sandbox.moat(&["run", "--quiet", "agent.yaml", "--", "true"]).run();
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "{ran}");
    assert_eq!(sandbox.main(), id, "it is there already");
    let ran = sandbox.moat(&["run", "--json", &sandbox.agent, "--", "sh", "-c", "echo out; exit 3"]).run();
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!((ran.code, &document["exit_code"], &document["stdout"]), (3, &3.into(), &"out\n".into()), "{ran}");
    let record = sandbox.moat(&["audit", "--json"]).ok().stdout;
    assert!(record.contains("exec_run") && record.contains("\"run\""), "{record}");
    assert!(!record.contains("b c"), "{record}");
}

#[test]
fn run_with_rm_leaves_nothing() {
    let sandbox = Sandbox::new("image: busybox\nvolumes: [\"data:/data\"]\n");
    let ran = sandbox.moat(&["run", "--rm", "--", "sh", "-c", "echo x > /data/x; exit 5"]).run();
    assert_eq!(ran.code, 5, "{ran}");
    assert_eq!(left(&sandbox).len(), 1, "the volume that the spec declares");
    let ran = sandbox.moat(&["run", "--rm", "--", "cat", "/data/x"]).ok();
    assert_eq!(ran.stdout, "x\n");

    let failing = Sandbox::new("image: busybox\ncommand: exit 3\n");
    let ran = failing.moat(&["run", "--rm", "--", "echo", "never"]).run();
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran}");
    assert_eq!(left(&failing), [""; 0]);

    let over = Sandbox::new("image: busybox\ncommand: \"true\"\n");
    let ran = over.moat(&["run", "--rm", "--", "echo", "never"]).run();
    assert!(ran.code == 1 && ran.stderr.contains("has completed"), "{ran}");
    assert_eq!(left(&over), [""; 0]);
}

#[test]
fn an_interrupt_stops_the_command_and_with_rm_removes_the_sandbox() {
    let sandbox = Sandbox::new(PLAIN);
    let mut command = sandbox.moat(&["run", "--rm", "--", "sh", "-c", "echo up; sleep 1000"]).command;
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).stdin(std::process::Stdio::null());
    let mut child = command.spawn().expect("moat");
    let mut line = String::new();
    let out = child.stdout.take().expect("a pipe");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("a line");
    assert_eq!(line, "up\n");
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill").success());
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    assert_eq!(left(&sandbox), [""; 0]);
}

#[test]
fn run_uses_an_available_terminal() {
    let sandbox = Sandbox::new(PLAIN);
    let moat = testkit::moat_binary();
    let script = format!("'{moat}' run --rm -- sh -c 'test -t 0 && test -t 1 && echo terminal; exit 5'");
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &script, "/dev/null"]).current_dir(sandbox.path());
    command.env("DOCKER_HOST", &engine().host).env("HOME", sandbox.home());
    let ran = testkit::run::run(command, b"");
    assert!(ran.code == 5 && ran.stdout.contains("terminal"), "{ran}");
}

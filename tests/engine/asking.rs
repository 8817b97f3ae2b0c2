//! Confirmation of irreversible actions on a terminal; without one a command reports them and continues, or refuses.

use std::process::{Child, Command, Stdio};

use testkit::engine::engine;
use testkit::run::{Ran, run, until};
use testkit::sandbox::{DIND, PLAIN, Sandbox};

/// Runs moat on a terminal with an answer.
fn on_terminal(sandbox: &Sandbox, line: &str, answer: &str) -> Ran {
    let moat = testkit::moat_binary();
    let mut command = Command::new("script");
    command.args(["-qec", &format!("'{moat}' {line}"), "/dev/null"]).current_dir(sandbox.path());
    command.env("DOCKER_HOST", &engine().host).env("HOME", sandbox.path());
    run(command, answer.as_bytes())
}

/// Starts an exec session; returns when it runs.
fn session(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.moat(&["exec", "--", "sh", "-c", "touch /begun; sleep 1000"]).command;
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("moat");
    assert!(until(|| sandbox.sh("test -e /begun").code == 0));
    child
}

#[test]
fn destroy_lists_resources_and_asks() {
    let sandbox = Sandbox::applied(DIND);
    sandbox.sh_ok("docker volume create db");
    let main = sandbox.main();
    let ran = on_terminal(&sandbox, "destroy", "n\n");
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stdout.contains("2 containers with their files"), "{ran}");
    let inner = "(0 containers, 1 volume, 0 images of the Docker inside)";
    assert!(ran.stdout.contains(&format!("volume `moat-{}-docker` {inner}", sandbox.run_id())), "{ran}");
    assert_eq!(sandbox.main(), main);
    assert_eq!(sandbox.sh_ok("docker volume ls -q"), "db");
    let ran = on_terminal(&sandbox, "destroy", "y\n");
    assert_eq!((ran.code, sandbox.find("main")), (0, None), "{ran}");
    assert_eq!(sandbox.volumes(), [format!("moat-{}-buildkit-cache", sandbox.run_id())]);
    let asked = on_terminal(&sandbox, "destroy", "");
    assert!(asked.code == 0 && !asked.stdout.contains("continue?"), "nothing is there to be asked about: {asked}");
}

#[test]
fn no_prompt_with_yes_or_without_a_terminal() {
    for (line, terminal) in [("destroy --yes", true), ("destroy", false)] {
        let sandbox = Sandbox::applied(PLAIN);
        let words: Vec<&str> = line.split(' ').collect();
        let ran = if terminal { on_terminal(&sandbox, line, "") } else { sandbox.moat(&words).run() };
        assert_eq!((ran.code, sandbox.find("main")), (0, None), "{line}: {ran}");
        assert!(!ran.stdout.contains("continue?") && !ran.stderr.contains("continue?"), "{line}: {ran}");
    }
}

#[test]
fn deleting_volumes_needs_confirmation() {
    let sandbox = Sandbox::applied("image: busybox\nvolumes: [\"data:/data\"]\n");
    let ran = sandbox.moat(&["destroy", "--volumes"]).run();
    assert_eq!(ran.code, 64, "{ran}");
    let volume = format!("moat-{}-data", sandbox.run_id());
    assert!(ran.stderr.contains(&format!("this deletes the data in `{volume}`")), "{ran}");
    assert!(ran.stderr.contains("`--yes`"), "{ran}");
    assert_eq!(sandbox.volumes(), [volume]);
    sandbox.assert_ready();
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    assert_eq!(sandbox.volumes(), [""; 0]);
    // Missing volumes need no confirmation.
    sandbox.moat(&["destroy", "--volumes"]).ok();
}

#[test]
fn run_with_rm_asks_before_removing_an_existing_sandbox() {
    let sandbox = Sandbox::applied(PLAIN);
    let main = sandbox.main();
    let ran = on_terminal(&sandbox, "run --rm -- echo never", "n\n");
    assert!(ran.code == 1 && ran.stdout.contains("`--rm` removes it: "), "{ran}");
    assert!(!ran.stdout.contains("never\r"), "{ran}");
    assert_eq!(sandbox.main(), main);
    let ran = sandbox.moat(&["run", "--rm", "--", "echo", "once"]).ok();
    assert!(ran.stdout == "once\n" && ran.stderr.contains("already exists and will be removed afterwards"), "{ran}");
    assert_eq!(sandbox.find("main"), None);
    let ran = on_terminal(&sandbox, "run --rm -- echo fresh", "");
    assert!(ran.code == 0 && !ran.stdout.contains("continue?"), "{ran}");
}

#[test]
fn open_sessions_are_reported_and_confirmed() {
    let sandbox = Sandbox::applied(PLAIN);
    let main = sandbox.main();
    let working = session(&sandbox);
    assert!(!sandbox.moat(&["plan"]).ok().stdout.contains("Ends:"), "nothing would end it");
    sandbox.rewrite(&format!("{PLAIN}env: {{A: b}}\n"));
    let plan = sandbox.moat(&["plan"]).ok();
    assert!(plan.stdout.ends_with("\nEnds: 1 session in container/main\n"), "{plan}");
    let plan: serde_json::Value = serde_json::from_str(&sandbox.moat(&["plan", "--json"]).ok().stdout).expect("JSON");
    assert_eq!(plan["sessions"], 1);
    let reported = format!("this ends 1 session in `moat-{}`", sandbox.run_id());
    for line in ["apply", "restart"] {
        let ran = on_terminal(&sandbox, line, "n\n");
        assert!(ran.code == 1 && ran.stdout.contains(&reported), "{ran}");
    }
    assert_eq!(sandbox.main(), main);
    let ran = sandbox.moat(&["apply"]).ok();
    assert!(ran.stderr.contains(&reported), "{ran}");
    assert_ne!(sandbox.main(), main);
    let ended = working.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(137), "{said}");
    assert!(said.contains("the session ended: its container was removed") || said.contains("was stopped"), "{said}");

    let working = session(&sandbox);
    let ran = sandbox.moat(&["restart"]).ok();
    assert!(ran.stderr.contains(&reported), "{ran}");
    let said = String::from_utf8_lossy(&working.wait_with_output().expect("an end").stderr).into_owned();
    assert!(said.contains("the session ended: "), "{said}");
    // No prompt for the user's own session.
    let ran = sandbox.sh("kill -9 $$");
    assert!(ran.code == 137 && !ran.stderr.contains("the session ended"), "{ran}");
}

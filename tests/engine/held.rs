//! The command of main runs only when the build sidecar answers, with or without moat.

use std::process::Stdio;

use testkit::engine::engine;
use testkit::marked::{is_held, marked, runs, spec};
use testkit::run::until;
use testkit::sandbox::{DIND, Sandbox};

/// A sidecar that accepts connections and never answers: a check of the socket alone would pass.
const NEVER_ANSWERS: &str = "buildkit: {image: deaf}\n";

#[test]
fn a_command_is_held_while_the_sidecar_is_down() {
    let sandbox = marked("");
    sandbox.apply();
    assert_eq!(runs(&sandbox), 1);
    engine().docker(&["stop", &sandbox.sidecar()]);
    engine().docker(&["restart", &sandbox.main()]);
    assert!(is_held(&sandbox, 1));
    assert_eq!(runs(&sandbox), 1);
    assert_ne!(sandbox.docker_exec("main", &["docker", "info", "--format", "{{.ID}}"]), "");
    engine().docker(&["start", &sandbox.sidecar()]);
    assert!(until(|| runs(&sandbox) == 2));
}

#[test]
fn a_command_is_held_when_moat_was_killed() {
    let sandbox = marked("buildkit: {image: lab/silent}\n");
    let mut apply = sandbox.moat(&["apply", "--approve-all", "--wait-timeout", "120"]).command;
    let mut apply = apply.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("moat");
    assert!(until(|| sandbox.find("main").is_some() && sandbox.inspect("main", "{{.State.Status}}") == "running"));
    apply.kill().expect("it runs");
    apply.wait().expect("it was killed");
    assert!(is_held(&sandbox, 1));
    assert_eq!(runs(&sandbox), 0);
    sandbox.rewrite(&spec(""));
    sandbox.apply();
    assert_eq!(runs(&sandbox), 1);
    sandbox.assert_ready();
}

#[test]
fn a_socket_that_accepts_connections_is_not_enough() {
    let sandbox = marked(NEVER_ANSWERS);
    let stopped = "buildkitd $@ & until [ -S /run/buildkit/buildkitd.sock ]; do sleep 0.05; done; kill -STOP $!; wait";
    let dockerfile = format!("FROM moby/buildkit:latest\nENTRYPOINT [\"sh\", \"-c\", \"{stopped}\", \"sh\"]\n");
    let folder = sandbox.path().join("deaf");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("Dockerfile"), dockerfile).expect("a file");
    let image = format!("{}-deaf", sandbox.agent);
    engine().docker(&["build", "-t", &image, &folder.to_string_lossy()]);
    sandbox.rewrite(&spec(&NEVER_ANSWERS.replace("deaf", &image)));
    let args = ["apply", "--approve-all", "--keep-on-failure", "--wait-timeout", "1"];
    assert_eq!(sandbox.moat(&args).run().code, 1);
    // A client connects, and gets no answer until its time is over.
    let client = "timeout 2 docker --host unix:///run/buildkit/buildkitd.sock version >/dev/null 2>&1; echo $?";
    assert_eq!(sandbox.docker_exec("main", &["sh", "-c", client]), "124");
    assert!(is_held(&sandbox, 1));
    assert_eq!(runs(&sandbox), 0);
    drop(sandbox);
    engine().docker(&["rmi", &image]);
}

/// What the client prints depends on which side writes first.
#[test]
fn a_sidecar_that_answers_is_never_taken_for_a_silent_one() {
    let sandbox = Sandbox::applied(DIND);
    let check = "for i in $(seq 100); do /usr/local/lib/moat/answers || echo $i; done";
    assert_eq!(sandbox.docker_exec("main", &["sh", "-c", check]), "");
}

#[test]
fn the_command_of_a_failed_apply_never_runs() {
    let sandbox = marked("buildkit: {image: lab/dies}\n");
    let ran = sandbox.moat(&["apply", "--approve-all"]).run();
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("rolled back") && ran.stderr.contains("exited with code 7"), "{ran}");
    assert_eq!((sandbox.find("main"), runs(&sandbox)), (None, 0));
}

/// The health check of the sidecar does the same, up to half a minute later; here it cannot.
#[test]
fn every_user_builds_at_once_when_main_has_started_again() {
    let state = "setpriv --reuid 1000 --clear-groups test -w /run/buildkit/buildkitd.sock && echo open || echo closed";
    for command in [format!("command: [sh, -c, '{state}; exec sleep infinity']\n"), String::new()] {
        let sandbox = Sandbox::applied(&format!("{DIND}{command}"));
        sandbox
            .docker_exec("buildkit", &["sh", "-c", "chmod 600 /run/buildkit/buildkitd.sock; rm $(command -v chmod)"]);
        assert_eq!(sandbox.sh_ok(state), "closed");
        engine().docker(&["restart", &sandbox.main()]);
        assert!(until(|| sandbox.sh(state).stdout == "open\n"));
        if !command.is_empty() {
            assert_eq!(engine().docker(&["logs", &sandbox.main()]).matches("open").count(), 2, "{command}");
        }
    }
}

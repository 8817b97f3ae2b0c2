//! The health check of an image: disabled where moat replaces the image's command, effective otherwise.

use std::fs;

use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::Sandbox;

/// A sandbox with an image from this Dockerfile; `spec` is the rest of the spec.
fn built(dockerfile: &str, spec: &str) -> Sandbox {
    let sandbox = Sandbox::new(&format!("build: .\n{spec}"));
    fs::write(sandbox.path().join("Dockerfile"), dockerfile).expect("a Dockerfile");
    sandbox
}

const UNHEALTHY: &str = "FROM busybox\nHEALTHCHECK --interval=1s --retries=1 CMD echo down; false\n";

#[test]
fn an_image_check_is_disabled_when_moat_replaces_the_command() {
    for spec in ["", "hooks:\n  pre_run: \"true\"\n"] {
        let sandbox = built(UNHEALTHY, spec);
        sandbox.apply();
        let (id, began) = (sandbox.main(), sandbox.inspect("main", "{{.State.StartedAt}}"));
        assert_eq!(sandbox.inspect("main", "{{.Config.Healthcheck.Test}}"), "[NONE]");
        sandbox.assert_ready();
        assert!(sandbox.moat(&["plan"]).ok().stdout.starts_with("Nothing to do"));
        sandbox.apply();
        assert_eq!((sandbox.main(), sandbox.inspect("main", "{{.State.StartedAt}}")), (id, began));
    }
}

/// A sandbox of 0.1.0 still has the check. It is not replaced, and the check is ignored.
#[test]
fn an_image_check_of_an_older_sandbox_is_ignored() {
    let sandbox = built(UNHEALTHY, "");
    sandbox.apply();
    let main = sandbox.main();
    let (name, image) = (sandbox.inspect("main", "{{.Name}}"), sandbox.inspect("main", "{{.Config.Image}}"));
    let labels = sandbox.inspect("main", "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}\u{1e}{{end}}");
    let network = sandbox.inspect("main", "{{.HostConfig.NetworkMode}}");
    engine().docker(&["rm", "--force", &main]);
    let mut run = vec!["run", "--detach", "--init", "--restart", "unless-stopped", "--network", &network];
    run.extend(["--name", name.trim_start_matches('/'), "--entrypoint", "sleep"]);
    let labels: Vec<&str> = labels.split('\u{1e}').map(str::trim).filter(|it| !it.is_empty()).collect();
    run.extend(labels.iter().flat_map(|label| ["--label", label]));
    run.extend([image.as_str(), "infinity"]);
    engine().docker(&run);
    assert!(until(|| sandbox.inspect("main", "{{.State.Health.Status}}") == "unhealthy"));
    let began = sandbox.inspect("main", "{{.State.StartedAt}}");
    sandbox.assert_ready();
    sandbox.apply();
    assert_eq!(sandbox.inspect("main", "{{.State.StartedAt}}"), began);
}

#[test]
fn an_image_check_counts_for_the_users_command() {
    let sandbox = built(UNHEALTHY, "command: sleep 1000\n");
    for _ in 0..2 {
        let ran = sandbox.moat(&["apply"]).run();
        assert_eq!(ran.code, 1, "{ran}");
        let why =
            "is not ready: its image's health check failed: `/bin/sh -c echo down; false` exited with code 1 (down)";
        assert!(ran.stderr.contains(why), "{ran}");
    }
    // Apply waits for it, and no longer.
    // The engine's own first check would come after longer than any command may take here.
    let slow = "FROM busybox\nHEALTHCHECK --interval=600s CMD test -e /up\n";
    let sandbox = built(slow, "command: sleep 2; touch /up; sleep 1000\n");
    sandbox.apply();
    assert_eq!(sandbox.docker_exec("main", &["ls", "/up"]), "/up");
    assert!(sandbox.moat(&["plan"]).ok().stdout.starts_with("Nothing to do"));
}

/// A service runs its image's command, so its check counts.
#[test]
fn an_image_check_counts_for_services() {
    engine().docker(&["pull", "--quiet", "busybox"]);
    let agent = Sandbox::new("image: busybox\n");
    let (made, tag) = (format!("{}-made", agent.agent), format!("{}-unhealthy:1", agent.agent));
    engine().docker(&["create", "--name", &made, "busybox"]);
    engine().docker(&["commit", "--change", "HEALTHCHECK --interval=1s --retries=1 CMD echo down; false", &made, &tag]);
    engine().docker(&["rm", &made]);
    agent.rewrite(&format!("image: busybox\nservices:\n  web:\n    image: {tag}\n    command: sleep 1000\n"));
    let ran = agent.moat(&["apply"]).run();
    engine().docker(&["rmi", "--force", &tag]);
    assert!(ran.code == 1 && ran.stderr.contains("health check failed"), "{ran}");
}

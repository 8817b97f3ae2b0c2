//! Images whose buildx cannot use the sidecar: the sandbox works, and moat reports where builds run, with a hint.

use expect_test::expect;
use testkit::engine::engine;
use testkit::sandbox::{DIND, Sandbox};

fn with_image(image: &str) -> Sandbox {
    Sandbox::new(&format!("image: {image}\ndependencies: [docker:dind]\n"))
}

#[test]
fn an_old_buildx() {
    let sandbox = with_image("lab/dind-old-buildx:latest");
    let applied = sandbox.moat(&["apply"]).ok();
    assert!(applied.stderr.contains("buildx 0.13.1 < 0.14"), "{applied}");
    expect![[r#"
        warning: builds are not routed to the sidecar: buildx 0.13.1 < 0.14
          = help: install buildx 0.14 or newer in the image; until then builds run on the agent's own daemon
        builder is ready
          main  moat-R
          buildkit  moat-buildkit-R
          builds  local (buildx 0.13.1 < 0.14)
        next: moat exec -- docker build .
    "#]]
    .assert_eq(&warning(&sandbox.plain(&applied.stderr)));

    let status = sandbox.status();
    assert_eq!(status["state"], "ready", "{status:#}");
    assert_eq!(status["builds"]["routed"], false);
    assert_eq!(status["builds"]["reason"], "buildx 0.13.1 < 0.14");
    let text = sandbox.moat(&["status"]).ok().stdout;
    assert!(text.contains("builds: local (buildx 0.13.1 < 0.14)\n"), "{text}");
}

#[test]
fn no_buildx() {
    let sandbox = with_image("lab/dind-no-buildx:latest");
    let applied = sandbox.moat(&["apply"]).ok();
    expect![[r#"
        warning: builds are not routed to the sidecar: no buildx
          = help: install buildx 0.14 or newer in the image; until then builds run on the agent's own daemon
        builder is ready
          main  moat-R
          buildkit  moat-buildkit-R
          builds  local (no buildx)
        next: moat exec -- docker build .
    "#]]
    .assert_eq(&warning(&sandbox.plain(&applied.stderr)));
    assert_eq!(sandbox.status()["builds"]["reason"], "no buildx");
    let text = sandbox.moat(&["status"]).ok().stdout;
    assert!(text.contains("builds: local (no buildx)\n"), "{text}");
    assert_eq!(sandbox.sh_ok("docker ps -q"), "");
}

/// The warning and the text after it.
fn warning(text: &str) -> String {
    text.find("warning").map_or_else(|| panic!("no warning in {text}"), |at| text[at..].to_owned())
}

// The check remembers that the client works, which must not outlive the client.
#[test]
fn a_client_that_has_changed_is_checked_again() {
    let sandbox = Sandbox::applied(DIND);
    let is_routed = || sandbox.status()["builds"]["routed"] == true;
    assert!(is_routed());
    let plugin = "/usr/local/libexec/docker/cli-plugins/docker-buildx";
    sandbox.sh_ok(&format!("mv {plugin} /root/ && printf '#!/bin/sh\\nexit 1\\n' >{plugin} && chmod +x {plugin}"));
    assert!(!is_routed());
    sandbox.sh_ok(&format!("mv /root/docker-buildx {plugin}"));
    assert!(is_routed());
    // It runs, and cannot be reached.
    engine().docker(&["exec", &sandbox.sidecar(), "mv", "/run/buildkit/buildkitd.sock", "/run/buildkit/moved"]);
    let status = sandbox.status();
    assert_eq!(status["builds"]["reason"], "builder `moat` does not answer", "{status:#}");
}

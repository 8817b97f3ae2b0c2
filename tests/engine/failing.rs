//! Failures: the error names the object, the reason and a hint, and a failed first apply leaves nothing.

use expect_test::{Expect, expect};
use testkit::engine::{Inventory, engine};
use testkit::sandbox::{PLAIN, Sandbox};

/// Applies a failing spec, and checks the output and that nothing remains.
fn fails(spec: &str, args: &[&str], expected: &Expect) {
    let before = Inventory::now();
    let sandbox = Sandbox::new(spec);
    let reported = sandbox.moat(&[&["apply", "--quiet"], args].concat()).transcript();
    expected.assert_eq(&without_variable_parts(&reported));
    before.assert_unchanged(&sandbox.agent);
}

/// Removes process ids, restart counts and repeated log lines, which vary.
fn without_variable_parts(text: &str) -> String {
    let text = without(text, "tini (", "] exec", "tini] exec");
    let text = without(&text, "was restarted ", " times", "was restarted N times");
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.dedup();
    lines.concat()
}

/// Replaces every text between `start` and `end`.
fn without(text: &str, start: &str, end: &str, by: &str) -> String {
    let mut rest = text;
    let mut out = String::new();
    while let Some((from, to)) = rest.find(start).and_then(|from| Some((from, from + rest[from..].find(end)?))) {
        out.push_str(&rest[..from]);
        out.push_str(by);
        rest = &rest[to + end.len()..];
    }
    out + rest
}

/// A container that keeps exiting is never ready, for all restart policies.
#[test]
fn a_crash_loop_is_not_ready() {
    let exits = "image: busybox\ncommand: echo said; exit 4\n";
    let specs = [
        format!("{exits}restart: on-failure\n"),
        format!("{exits}restart: always\n"),
        format!("{exits}restart: unless-stopped\nhealthcheck: \"true\"\n"),
        "image: busybox\nservices:\n  web:\n    image: busybox\n    command: echo said; exit 4\n".to_owned(),
        "image: busybox\nservices:\n  web:\n    image: busybox\n    command: echo said; exit 4\n    wait: \"true\"\n"
            .to_owned(),
    ];
    for spec in &specs {
        let before = Inventory::now();
        let sandbox = Sandbox::new(spec);
        for _ in 0..2 {
            let ran = sandbox.moat(&["apply"]).run();
            assert_eq!(ran.code, 1, "{spec}\n{ran}");
            assert!(ran.stderr.contains("exited with code 4") && ran.stderr.contains("said\n"), "{spec}\n{ran}");
        }
        before.assert_unchanged(&sandbox.agent);
    }
}

/// Its program cannot be executed, and no shell reports that.
#[test]
fn a_container_that_cannot_run_its_command_is_not_ready() {
    let long = format!("image: busybox\nenv:\n  LONG: {}\n", "x".repeat(140_000));
    for spec in [long.as_str(), "image: busybox\nhooks:\n  pre_run: nosuch\n"] {
        let sandbox = Sandbox::new(spec);
        for _ in 0..2 {
            let ran = sandbox.moat(&["apply"]).run();
            assert_eq!(ran.code, 1, "{}\n{ran}", &spec[..40]);
            assert!(ran.stderr.contains("exited with code"), "{ran}");
        }
    }
}

/// `status` reports it too, also the second time.
#[test]
fn a_crash_loop_is_degraded() {
    let sandbox = Sandbox::new("image: busybox\nrestart: always\ncommand: sleep 1; exit 4\n");
    assert_eq!(sandbox.moat(&["apply", "--keep-on-failure"]).run().code, 1);
    for _ in 0..3 {
        let status = sandbox.status();
        assert_eq!(status["state"], "degraded", "{status:#}");
        assert_eq!(sandbox.moat(&["plan"]).ok().stdout.matches("crash").count(), 1);
    }
    let ran = sandbox.moat(&["apply"]).run();
    assert!(ran.code == 1 && ran.stderr.contains("exited with code 4"), "{ran}");
}

#[test]
fn no_engine() {
    let sandbox = Sandbox::new(PLAIN);
    let nowhere = format!("unix://{}/none.sock", sandbox.path().display());
    expect![[r#"
        exit 69
        == stderr
        error: cannot use docker at `unix://DIR/none.sock` (from DOCKER_HOST): no such file or directory
          = help: start Docker, or set its address with --host or DOCKER_HOST
    "#]]
    .assert_eq(&sandbox.moat(&["apply"]).docker_host(&nowhere).transcript());
    for command in [&["plan"][..], &["destroy"], &["status"], &["exec", "--", "true"]] {
        assert_eq!(sandbox.moat(command).docker_host(&nowhere).run().code, 69, "{command:?}");
    }
}

#[test]
fn an_unreachable_registry() {
    // A closed port on the Docker host.
    fails(
        "image: 127.0.0.1:1/none:1\n",
        &[],
        &expect![[r#"
            exit 1
            == stderr
            error: cannot pull `127.0.0.1:1/none:1`: cannot reach the registry `127.0.0.1:1` (get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused)
              = help: check the network, the proxy and the registry's name
            rolled back: removed network moat-R
              = help: `--keep-on-failure` skips the rollback, for inspection
        "#]],
    );
}

#[test]
fn an_image_missing_from_its_registry() {
    fails(
        "image: 10.213.213.1:5000/lab/none:1\n",
        &[],
        &expect![[r#"
            exit 1
            == stderr
            error: cannot pull `10.213.213.1:5000/lab/none:1`: `10.213.213.1:5000` has no such image or tag (manifest for 10.213.213.1:5000/lab/none:1 not found: manifest unknown: manifest unknown)
              = help: check its name
            rolled back: removed network moat-R
              = help: `--keep-on-failure` skips the rollback, for inspection
        "#]],
    );
}

#[test]
fn an_image_without_dockerd() {
    fails(
        "image: busybox\ndependencies: [docker:dind]\n",
        &[],
        &expect![[r#"
            exit 1
            == stderr
            error: the image `busybox` has no `dockerd`
              | the last lines of container moat-R
              |  moat: no dockerd in this image
              = help: use an image that contains Docker, such as `docker:dind`, or remove `docker:dind` from `dependencies`
            rolled back: removed container moat-buildkit-R, container moat-R, network moat-R, volume moat-R-buildkit-cache, volume moat-R-buildkit-socket, volume moat-R-docker
              = help: `--keep-on-failure` skips the rollback, for inspection
        "#]],
    );
}

#[test]
fn a_container_that_exits_immediately() {
    fails(
        "image: busybox\ncommand: echo no good >&2; exit 3\n",
        &[],
        &expect![[r#"
            exit 1
            == stderr
            error: `moat-R` exited with code 3
              | the last lines of container moat-R
              |  no good
            rolled back: removed container moat-R, network moat-R
              = help: `--keep-on-failure` skips the rollback, for inspection
        "#]],
    );
}

#[test]
fn a_command_that_does_not_exist() {
    fails(
        "image: busybox\ncommand: [no-such-program]\n",
        &[],
        &expect![[r#"
            exit 1
            == stderr
            error: `moat-R` exited with code 127
              | the last lines of container moat-R
              |  [FATAL tini] exec no-such-program failed: No such file or directory
              = help: the image has no such command: check its name and the image
            rolled back: removed container moat-R, network moat-R
              = help: `--keep-on-failure` skips the rollback, for inspection
        "#]],
    );
}

#[test]
fn a_file_mounted_over_a_directory() {
    let sandbox = Sandbox::new("image: busybox\nmounts: ['./f:/etc']\n");
    std::fs::write(sandbox.path().join("f"), "x").expect("a file");
    expect![[r#"
        exit 1
        == stderr
        error: cannot start container `moat-R`: `DIR/f` cannot be mounted at `/etc`: one of them is a directory, and the other is not
          = help: create it on the Docker host, which may be another machine, or correct the spec
        rolled back: removed container moat-R, network moat-R
          = help: `--keep-on-failure` skips the rollback, for inspection
    "#]]
    .assert_eq(&sandbox.moat(&["apply", "--quiet"]).transcript());
}

#[test]
fn a_mount_source_that_was_removed() {
    let sandbox = Sandbox::new("image: busybox\nmounts: ['./d:/d']\n");
    std::fs::create_dir(sandbox.path().join("d")).expect("a folder");
    sandbox.apply();
    engine().docker(&["stop", "-t", "0", &sandbox.main()]);
    std::fs::remove_dir(sandbox.path().join("d")).expect("a folder");
    let ran = sandbox.moat(&["apply", "--quiet"]).run();
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("/d` does not exist on the Docker host\n") && !ran.stderr.contains("OCI"), "{ran}");
}

#[test]
fn an_address_missing_on_the_host() {
    fails(
        "image: busybox\nports: ['10.9.8.7:28123:80']\n",
        &[],
        &expect![[r#"
            exit 1
            == stderr
            error: cannot start container `moat-R`: the Docker host does not have the address `10.9.8.7`
              = help: `ip address` on the Docker host lists its addresses; use one of them in `ports`, or omit it for loopback
            rolled back: removed container moat-R, network moat-R
              = help: `--keep-on-failure` skips the rollback, for inspection
        "#]],
    );
}

#[test]
fn a_port_used_by_another_container() {
    let sandbox = Sandbox::new("");
    // Gone with the sandbox, whose name it bears; of the port the engine knows that it was free.
    let holder = format!("port-{}", sandbox.agent);
    engine().docker(&["run", "-d", "--name", &holder, "-p", "127.0.0.1::80", "busybox", "sleep", "600"]);
    let address = engine().docker(&["port", &holder, "80"]);
    let port = address.rsplit(':').next().expect("a port");
    sandbox.rewrite(&format!("image: busybox\nports: ['{port}:80']\n"));
    expect![[r#"
        exit 1
        == stderr
        error: cannot start container `moat-R`: port 127.0.0.1:PORT of the Docker host is in use by another container
          = help: `ss -ltnp` on the Docker host shows what uses it; choose another port, or write only the container port to get a free one
        rolled back: removed container moat-R, network moat-R
          = help: `--keep-on-failure` skips the rollback, for inspection
    "#]]
    .assert_eq(&sandbox.moat(&["apply", "--quiet"]).transcript().replace(port, "PORT"));
}

#[test]
fn a_failed_build_shows_the_output_of_its_step() {
    let sandbox = Sandbox::new("build: .\n");
    // One stream only: the engine does not preserve the order of two.
    let step = "exec 2>&1; echo about to fail; printf '\\033[31mred\\033[0m\\n'; ls /nonexistent";
    std::fs::write(sandbox.path().join("Dockerfile"), format!("FROM busybox\nRUN {step}\n")).expect("a file");
    let reported = sandbox.moat(&["apply", "--quiet"]).transcript();
    expect![[r#"
        exit 1
        == stderr
        error: cannot build image `moat/builder:ID`: build step 2/2 exited with code 1: `RUN exec 2>&1; echo about to fail; printf '\033[31mred\033[0m\n'; ls /nonexistent`
          | the last lines of the step
          |  about to fail
          |  red
          |  ls: /nonexistent: No such file or directory
          = help: `moat image` shows the Dockerfile
        rolled back: removed network moat-R
          = help: `--keep-on-failure` skips the rollback, for inspection
    "#]]
    .assert_eq(&reported);
}

#[test]
fn a_sidecar_that_is_never_ready() {
    let spec = "image: docker:dind\ndependencies: [docker:dind]\nbuildkit:\n  image: lab/silent\n";
    fails(
        spec,
        &["--wait-timeout", "2"],
        &expect![[r#"
            exit 1
            == stderr
            error: `moat-buildkit-R` was not ready within 2 s: `sh -c chmod 666 /run/buildkit/buildkitd.sock && exec buildctl debug workers` exited with code 1 (chmod: /run/buildkit/buildkitd.sock: No such file or directory)
              = help: on a slow machine, allow more time: `--wait-timeout 120`
            rolled back: removed container moat-buildkit-R, container moat-R, network moat-R, volume moat-R-buildkit-cache, volume moat-R-buildkit-socket, volume moat-R-docker
              = help: `--keep-on-failure` skips the rollback, for inspection
        "#]],
    );
}

#[test]
fn a_sidecar_that_dies() {
    let spec = "image: docker:dind\ndependencies: [docker:dind]\nbuildkit:\n  image: lab/dies\n";
    fails(
        spec,
        &[],
        &expect![[r#"
            exit 1
            == stderr
            error: `moat-buildkit-R` exited with code 7 and was restarted N times
              | the last lines of container moat-buildkit-R
              |  giving up
            rolled back: removed container moat-buildkit-R, container moat-R, network moat-R, volume moat-R-buildkit-cache, volume moat-R-buildkit-socket, volume moat-R-docker
              = help: `--keep-on-failure` skips the rollback, for inspection
        "#]],
    );
}

#[test]
fn failed_containers_can_be_kept() {
    let sandbox = Sandbox::new("image: busybox\ncommand: echo no good >&2; exit 3\n");
    let reported = sandbox.moat(&["apply", "--quiet", "--keep-on-failure"]).transcript();
    expect![[r#"
        exit 1
        == stderr
        error: `moat-R` exited with code 3
          | the last lines of container moat-R
          |  no good
        the completed steps were kept; `moat status` shows the result, `moat apply` resumes
    "#]]
    .assert_eq(&reported);
    assert_eq!(sandbox.inspect("main", "{{.State.ExitCode}}"), "3");
    expect![[r#"
        exit 0
        == stdout
        builder: failed
          | no good
        last error: `moat-R` exited with code 3

        RESOURCE  NAME  STATE  READY
        image  busybox  present  yes
        network/agent  moat-R  present  yes
        container/main  moat-R  exited  no (exited with code 3)
    "#]]
    .assert_eq(&sandbox.moat(&["status"]).transcript());
    // A working spec replaces the kept containers.
    sandbox.rewrite(PLAIN);
    sandbox.apply();
    sandbox.assert_ready();
}

//! The result of a build goes to the inner daemon without the layers that it has.

use testkit::sandbox::{DIND, Sandbox};

/// The size of the large layer in bytes.
const LARGE: u64 = 150_000_000;

/// What a build without the large layer receives at most.
const FEW: u64 = 20_000_000;

/// The bytes that the inner daemon has read, from its clients for the most part.
fn received(sandbox: &Sandbox) -> u64 {
    sandbox.sh_ok("awk '/rchar/ { print $2 }' /proc/$(pidof dockerd)/io").trim().parse().expect("a number")
}

/// Runs a script in the folder of the build, and returns its output and the bytes that the daemon has received.
fn run(sandbox: &Sandbox, script: &str) -> (String, u64) {
    let before = received(sandbox);
    let output = sandbox.sh_ok(&format!("cd /root/large && {{ {script}; }}"));
    (output, received(sandbox) - before)
}

/// A folder with a Dockerfile of a large and a small layer.
fn prepare(sandbox: &Sandbox) {
    let dockerfile = format!("FROM busybox\\nRUN head -c {LARGE} /dev/urandom >/large\\nCOPY small /small\\n");
    sandbox
        .sh_ok(&format!("mkdir /root/large && cd /root/large && printf '{dockerfile}' >Dockerfile && echo 1 >small"));
    let (_, received) = run(sandbox, "docker build -t large .");
    assert!(received > LARGE, "{received}");
}

#[test]
fn of_a_rebuilt_image_only_new_layers_travel() {
    let sandbox = Sandbox::applied(DIND);
    prepare(&sandbox);
    let show = "docker run --rm $(docker build -q .) sh -c 'cat /small; stat -c %s /large'";
    // The layer is converted once, on the sidecar.
    let (output, received) = run(&sandbox, &format!("echo 2 >small; {show}"));
    assert_eq!((output, received < FEW), (format!("2\n{LARGE}"), true), "{received}");
    let (output, received) = run(
        &sandbox,
        "echo 3 >small; docker build --load -t one:1 -t other.example/two . && docker run --rm one:1 cat /small",
    );
    assert_eq!((output.as_str(), received < FEW), ("3", true), "{received}");
    let names = "docker image inspect --format '{{.Id}}' one:1 other.example/two";
    let names: Vec<String> = sandbox.sh_ok(names).lines().map(str::to_owned).collect();
    assert_eq!((names.len(), &names[0]), (2, &names[1]), "{names:?}");

    // A layer that the daemon has, above another one: the daemon cannot use it.
    let above = "printf 'FROM busybox\\nRUN echo x >/other\\nCOPY --from=one:1 /large /large\\n' >Above; \
                 docker build -q -f Above -t above . && printf 'FROM busybox\\nCOPY --from=one:1 /large /large\\n' >Above; \
                 docker build -q -f Above -t above . && docker run --rm above stat -c %s /large";
    let (output, _) = run(&sandbox, above);
    assert!(output.ends_with(&LARGE.to_string()), "{output}");
    // Layers that the daemon has no more.
    let again = "docker image rm -f $(docker image ls -q) >/dev/null; docker build -q -t large . >/dev/null && \
                 docker run --rm large stat -c %s /large";
    assert_eq!(run(&sandbox, again).0, LARGE.to_string());

    // Another daemon is none of this one's business.
    sandbox.sh_ok("docker context create other --docker host=unix:///nowhere.sock");
    let other = sandbox.sh("cd /root/large && env -u DOCKER_HOST docker --context=other build -t elsewhere .");
    assert_ne!(other.code, 0, "{other}");
    assert_eq!(sandbox.sh_ok("docker image ls -q elsewhere"), "");

    // A failed build fails, and nothing is left behind.
    let failed = sandbox.sh("cd /root/large && printf 'FROM large\\nRUN exit 7\\n' >Bad && docker build -f Bad .");
    assert_eq!(failed.code, 1, "{failed}");
    assert_eq!(sandbox.sh_ok("find /var/tmp -name 'moat-result*'"), "");
}

#[test]
fn a_daemon_with_images_in_containerd_gets_only_new_layers() {
    let sandbox = Sandbox::new("build: .\ndependencies: [docker:dind]\n");
    let settings = r#"s/^{/{"features": {"containerd-snapshotter": true}, /"#;
    let dockerfile = format!("FROM docker:dind\nRUN sed -i '{settings}' /etc/docker/daemon.json\n");
    std::fs::write(sandbox.path().join("Dockerfile"), dockerfile).expect("a Dockerfile");
    sandbox.apply();
    prepare(&sandbox);
    let (output, received) = run(
        &sandbox,
        "echo 2 >small; docker build -t large . && docker run --rm large sh -c 'cat /small; stat -c %s /large'",
    );
    assert_eq!((output, received < FEW), (format!("2\n{LARGE}"), true), "{received}");
    // What is printed is an image.
    let (output, _) = run(&sandbox, "echo 3 >small; docker run --rm $(docker build -q .) cat /small");
    assert_eq!(output, "3");
}

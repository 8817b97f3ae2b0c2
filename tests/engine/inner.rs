//! The inner daemons: containerd is started beside the Docker daemon, restarted when it dies, and stopped after it.

use std::fs;

use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::{DIND, Sandbox};

/// Kills containerd, and waits until another one runs.
fn kill_containerd(sandbox: &Sandbox) {
    let before = sandbox.sh_ok("pidof containerd");
    sandbox.sh_ok("kill -9 $(pidof containerd)");
    assert!(until(|| {
        let now = sandbox.sh("pidof containerd").stdout;
        !now.trim().is_empty() && now.trim() != before
    }));
    assert!(until(|| sandbox.sh("docker info").code == 0));
}

#[test]
fn containers_survive_the_end_of_containerd() {
    let sandbox = Sandbox::applied(DIND);
    let id = sandbox.sh_ok("docker run -d --name box busybox sh -c 'trap exit TERM; while :; do sleep 0.1; done'");
    let pid = sandbox.sh_ok("docker inspect --format '{{.State.Pid}} {{.State.StartedAt}}' box");
    for _ in 0..2 {
        kill_containerd(&sandbox);
        assert_eq!(sandbox.sh_ok("docker inspect --format '{{.State.Pid}} {{.State.StartedAt}}' box"), pid);
        assert!(until(|| sandbox.sh("docker exec box true").code == 0));
    }
    assert_eq!(sandbox.sh_ok("docker run --rm busybox echo new"), "new");
    assert_eq!(sandbox.sh_ok("docker ps --quiet --no-trunc"), id);
    sandbox.sh_ok("docker stop box");
    sandbox.assert_ready();
}

// A containerd that stops before the daemon would leave the containers without their signal.
#[test]
fn a_stop_ends_the_inner_containers_in_order() {
    let sandbox = Sandbox::applied(DIND);
    let polite = "trap 'echo bye >/data/said; exit' TERM; while :; do sleep 0.1; done";
    sandbox.sh_ok(&format!("docker run -d --name box -v said:/data busybox sh -c \"{polite}\""));
    sandbox.moat(&["stop"]).ok();
    assert_eq!(sandbox.inspect("main", "{{.State.ExitCode}}"), "0");
    let log = engine().try_docker(&["logs", &sandbox.main()]);
    assert!(!log.to_string().contains("started again"), "{log}");
    sandbox.moat(&["start"]).ok();
    assert_eq!(sandbox.sh_ok("docker run --rm -v said:/data busybox cat /data/said"), "bye");
}

// Both daemons were killed with their files in place.
#[test]
fn a_killed_container_starts_again() {
    let sandbox = Sandbox::applied(DIND);
    sandbox.sh_ok("docker pull -q busybox");
    engine().docker(&["kill", &sandbox.main()]);
    sandbox.apply();
    sandbox.sh_ok("docker info && docker image inspect busybox");
}

/// An image with busybox as its shell, and a daemon with settings of its own.
fn with_settings(settings: &str, rest: &str) -> Sandbox {
    let sandbox = Sandbox::new(&format!("build: .\ndependencies: [docker:dind]\n{rest}"));
    let busybox = "COPY --from=busybox /bin/busybox /bin/busybox\nRUN for name in sh find stat sed grep setsid flock env; \
                   do /bin/busybox ln -sf /bin/busybox /usr/bin/$name; done\n";
    let dockerfile = format!("FROM docker:dind\nUSER root\n{busybox}COPY daemon.json /etc/docker/daemon.json\n");
    fs::write(sandbox.path().join("Dockerfile"), dockerfile).expect("a file");
    let mirrors =
        "\"registry-mirrors\": [\"http://10.213.213.1:5000\"], \"insecure-registries\": [\"10.213.213.1:5000\"]";
    fs::write(sandbox.path().join("daemon.json"), format!("{{{mirrors}{settings}}}\n")).expect("a file");
    sandbox.apply();
    sandbox
}

#[test]
fn the_scripts_run_in_busybox() {
    let sandbox = with_settings("", "command: sleep infinity\n");
    assert!(sandbox.sh("sh --help").to_string().contains("BusyBox"));
    sandbox.sh_ok("docker run -d --name box busybox sleep 1000");
    kill_containerd(&sandbox);
    assert_eq!(sandbox.sh_ok("docker ps --format '{{.Names}}'"), "box");
    assert_eq!(sandbox.status()["builds"]["routed"], true);
}

// moat does not guess where such a daemon's containerd has its files.
#[test]
fn an_image_with_its_own_paths_starts_its_own_containerd() {
    let sandbox = with_settings(", \"data-root\": \"/var/lib/docker/own\"", "");
    assert_eq!(sandbox.sh_ok("docker info --format '{{.DockerRootDir}}'"), "/var/lib/docker/own");
    assert_eq!(sandbox.sh_ok("docker run --rm busybox echo runs"), "runs");
    let paths = sandbox.sh_ok("cat /proc/$(pidof containerd)/cmdline | tr '\\0' ' '");
    assert!(!paths.contains("moat.toml"), "{paths}");
    sandbox.moat(&["stop"]).ok();
    assert_eq!(sandbox.inspect("main", "{{.State.ExitCode}}"), "0");
}

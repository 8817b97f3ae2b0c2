//! What differs between a privileged, a mapped and a rootless sandbox, line by line as in `docs/tasks/isolate.md`.

use crate::threats::bait::calls;
use testkit::run::until;
use testkit::sandbox::{DIND, Sandbox};

const ROOTLESS: &str = "isolation: rootless\ndependencies: [docker:dind]\n";

/// A container that needs more memory than its limit gives: `tail` keeps its input.
const HUNGRY: &str =
    "docker run --rm --memory 16m --memory-swap 16m busybox sh -c 'head -c 100m /dev/zero | tail | wc -c'";

/// A page from a container's port, fetched in main.
fn answers(sandbox: &Sandbox, port: u16) -> bool {
    sandbox.sh_ok(&format!("docker run -d --name web-{port} -p {port}:80 busybox httpd -f -h /etc"));
    let ask =
        format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET /passwd HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3");
    until(|| sandbox.sh(&format!("bash -c \"{ask}\"")).stdout.contains("200 OK"))
}

/// The interfaces of the kernel that main does not get.
fn refused(sandbox: &Sandbox) -> String {
    sandbox.moat(&["cp", &calls().display().to_string(), ":/tmp/calls"]).ok();
    sandbox.sh_ok("/tmp/calls refused")
}

#[test]
fn a_rootless_sandbox_differs_as_documented() {
    let (privileged, rootless) = (Sandbox::applied(DIND), Sandbox::applied(ROOTLESS));
    let both = |script: &str| [&privileged, &rootless].map(|it| it.sh_ok(script));
    assert_eq!(both("id -u"), ["0", "1000"]);
    assert_eq!(both("echo $DOCKER_HOST"), ["unix:///var/run/docker.sock", "unix:///run/user/1000/docker.sock"]);
    assert_eq!(both("echo $BUILDKIT_HOST"), ["unix:///run/buildkit/buildkitd.sock"; 2]);
    // All users may build, or the only one.
    assert_eq!(both("[ -w /run/buildkit/buildkitd.sock ] && echo yes"), ["yes"; 2]);

    assert_eq!(refused(&rootless), "keyrings\nio_uring\nuserfaultfd");
    // A kernel may lack the others.
    assert!(!refused(&privileged).contains("keyrings"));

    let run = "docker run --rm --privileged busybox true";
    assert_eq!(privileged.sh(run).code, 0);
    let ran = rootless.sh(run);
    assert!(ran.code != 0 && ran.to_string().contains("sysfs"), "{ran}");

    assert!(answers(&privileged, 80) && answers(&rootless, 80) && answers(&rootless, 8080));

    // The kernel kills `tail` for the most part, so that `wc` gets nothing; or `wc` itself.
    let all = (100 << 20).to_string();
    let enforced = privileged.sh(HUNGRY);
    assert!(["0", ""].contains(&enforced.stdout.trim()), "enforced: {enforced}");
    assert_eq!(rootless.sh(HUNGRY).stdout.trim(), all, "ignored");

    let volumes = |sandbox: &Sandbox| {
        let all: Vec<String> = sandbox.volumes().iter().map(|name| sandbox.plain(name).trim().to_owned()).collect();
        all.join(" ")
    };
    assert_eq!(volumes(&privileged), "moat-R-buildkit-cache moat-R-buildkit-socket moat-R-docker");
    assert_eq!(
        volumes(&rootless),
        "moat-R-buildkit-cache-rootless moat-R-buildkit-socket-rootless moat-R-docker-rootless"
    );
}

/// The same for a sandbox on an engine that maps users, which cannot have a privileged one beside it.
pub fn assert_mapped(sandbox: &Sandbox) {
    assert_eq!(sandbox.sh_ok("id -u"), "0");
    assert_eq!(sandbox.sh_ok("echo $DOCKER_HOST"), "unix:///var/run/docker.sock");
    assert_eq!(sandbox.sh_ok("echo $BUILDKIT_HOST"), "unix:///run/buildkit/buildkitd.sock");
    sandbox.sh_ok("setpriv --reuid 1000 --clear-groups test -w /run/buildkit/buildkitd.sock");
    assert_eq!(refused(sandbox), "keyrings\nio_uring\nuserfaultfd");
    let ran = sandbox.sh("docker run --rm --privileged busybox true");
    assert!(ran.code != 0 && ran.to_string().contains("sysfs"), "{ran}");
    assert!(answers(sandbox, 80) && answers(sandbox, 8080));
    assert_eq!(sandbox.sh(HUNGRY).stdout.trim(), (100 << 20).to_string(), "ignored");
    let volumes = sandbox.volumes();
    let volumes: Vec<String> = volumes.iter().map(|name| sandbox.plain(name).trim().to_owned()).collect();
    assert_eq!(volumes, ["moat-R-buildkit-cache", "moat-R-buildkit-socket", "moat-R-docker"]);
}

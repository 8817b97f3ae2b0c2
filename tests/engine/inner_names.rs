//! Containers of the inner Docker reach the sandbox's services and the outside by name.

use testkit::engine::engine;
use testkit::sandbox::Sandbox;

const ASK: &str = "printf 'PING\\r\\nQUIT\\r\\n' | nc redis 6379 | grep -q . && nslookup -type=a deb.debian.org";

fn sandbox() -> Sandbox {
    Sandbox::applied("image: docker:dind\ndependencies: [docker:dind, redis]\n")
}

#[test]
fn names_resolve_on_every_network() {
    let sandbox = sandbox();
    sandbox.sh_ok("docker pull -q busybox; docker network create own");
    for network in ["bridge", "own", "host"] {
        sandbox.sh_ok(&format!("docker run --rm --network {network} busybox sh -c \"{ASK}\""));
    }
    // The daemon's own builder.
    let build = "printf 'FROM busybox\\nRUN nslookup redis\\n' | docker build --builder default -q -";
    sandbox.sh_ok(build);

    // Names of containers inside, and those of compose, come first.
    let compose = "name: names\nservices:\n  ask:\n    image: busybox\n    command: ['sh', '-c', 'ping -c 1 redis && ping -c 1 other']\n    \
                   depends_on: [redis, other]\n  redis: {image: busybox, command: sleep 1000, hostname: inner}\n  \
                   other: {image: busybox, command: sleep 1000}\n";
    let up = format!(
        "mkdir -p /c && cd /c && cat >compose.yaml <<'END'\n{compose}END\ndocker compose up --exit-code-from ask 2>&1"
    );
    let said = sandbox.sh_ok(&up);
    assert!(said.contains("PING redis (10.199."), "{said}");
    sandbox.sh_ok("cd /c && docker compose down -t 0 2>&1");

    // After a restart, with another port of the resolver.
    engine().docker(&["restart", &sandbox.main()]);
    sandbox.apply();
    sandbox.sh_ok(&format!("docker run --rm busybox sh -c \"{ASK}\""));
}

/// The engine's resolver has another port after a restart that the container lives through.
#[test]
fn names_follow_the_resolver() {
    let sandbox = sandbox();
    sandbox.sh_ok("echo 0x1 0x1 >/run/moat.names; iptables -t nat -F MOAT-NAMES");
    sandbox.sh_ok("/usr/local/lib/moat/ready");
    sandbox.sh_ok(&format!("docker run --rm busybox sh -c \"{ASK}\""));
}

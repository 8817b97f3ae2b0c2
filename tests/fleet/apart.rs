//! Containers of one agent reach none of another's.

use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::{DIND, PLAIN, Sandbox};

/// A page that an agent's main container serves.
const SERVING: &str = "image: busybox\ncommand: [httpd, -f, -p, '7777', -h, /etc]\n";

fn address(sandbox: &Sandbox, container: &str) -> String {
    sandbox.inspect(container, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
}

/// Whether something answers there, seen from inside a container of busybox on a network.
fn reaches(network: &str, address: &str, port: &str) -> bool {
    let script = format!("echo | nc -w 2 {address} {port}");
    let name = format!("{network}-prober");
    engine().try_docker(&["run", "--rm", "--name", &name, "--network", network, "busybox", "sh", "-c", &script]).code
        == 0
}

fn network(sandbox: &Sandbox) -> String {
    format!("moat-{}", sandbox.run_id())
}

#[test]
fn the_main_container_of_another() {
    let (one, other) = (Sandbox::applied(SERVING), Sandbox::applied(PLAIN));
    let address = address(&one, "main");
    // What would be reached is there.
    assert!(until(|| reaches(&network(&one), &address, "7777")), "its own network");
    let inside = |name: &str| other.sh(&format!("wget -T 2 -qO- http://{name}:7777/hostname")).code;
    assert_ne!(inside(&address), 0, "by its address");
    assert_ne!(inside(&format!("moat-{}", one.run_id())), 0, "by its name");
    assert!(!reaches(&network(&other), &address, "7777"), "another's network");
}

#[test]
fn the_sidecar_of_another_and_the_docker_inside() {
    let (one, other) = (Sandbox::applied(DIND), Sandbox::applied(PLAIN));
    let (sidecar, main) = (address(&one, "buildkit"), address(&one, "main"));
    assert!(until(|| reaches(&network(&one), &sidecar, "1234")), "its own network");
    assert!(!reaches(&network(&other), &sidecar, "1234"), "another's network");
    assert_ne!(other.sh("nslookup buildkit").code, 0, "no name of another's is known");
    // The inner daemon is on a socket in its container, and for nobody else, not even on its own network.
    for port in ["2375", "2376"] {
        assert!(!reaches(&network(&one), &main, port), "{port}");
    }
}

//! Network isolation: containers of one agent cannot reach those of another.

use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::{DIND, PLAIN, Sandbox};

/// A page that an agent's main container serves.
const SERVING: &str = "image: busybox\ncommand: [httpd, -f, -p, '7777', -h, /etc]\n";

fn address(sandbox: &Sandbox, container: &str) -> String {
    sandbox.inspect(container, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
}

/// Whether a busybox container on the network can connect to the address.
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
fn main_containers_are_isolated() {
    let (one, other) = (Sandbox::applied(SERVING), Sandbox::applied(PLAIN));
    let address = address(&one, "main");
    // The targets exist.
    assert!(until(|| reaches(&network(&one), &address, "7777")), "its own network");
    let inside = |name: &str| other.sh(&format!("wget -T 2 -qO- http://{name}:7777/hostname")).code;
    assert_ne!(inside(&address), 0, "by its address");
    assert_ne!(inside(&format!("moat-{}", one.run_id())), 0, "by its name");
    assert!(!reaches(&network(&other), &address, "7777"), "another's network");
}

#[test]
fn sidecars_and_inner_dockers_are_isolated() {
    let (one, other) = (Sandbox::applied(DIND), Sandbox::applied(PLAIN));
    let (sidecar, main) = (address(&one, "buildkit"), address(&one, "main"));
    assert_ne!(other.sh("nslookup buildkit").code, 0, "no name of another's is known");
    // The inner daemon listens on a socket in its container only, not on its network.
    // So does BuildKit, whose socket is in main too.
    for (address, port) in [(&main, "2375"), (&main, "2376"), (&main, "1234"), (&sidecar, "1234")] {
        assert!(!reaches(&network(&one), address, port), "{address}:{port}");
    }
}

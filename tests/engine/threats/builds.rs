//! Builds of internal sandboxes: their steps run the sandbox's files, and must not reach the network either.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use testkit::engine::engine;
use testkit::sandbox::Sandbox;

/// A listener on the test host that counts connections.
struct Listener {
    socket: String,
    calls: Arc<AtomicUsize>,
}

impl Listener {
    fn new() -> Self {
        // The address of the test host, as seen by the engine.
        let routes = engine().docker(&["run", "--rm", "--network", "host", "busybox", "ip", "route"]);
        let default = routes.lines().find(|line| line.starts_with("default")).expect("a default route");
        let host = default.split(' ').nth(2).expect("a gateway").to_owned();
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        thread::spawn(move || {
            for _ in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { socket: format!("{host} {port}"), calls }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// A script written by the agent that the Dockerfile copies; its result stays in the image.
fn attack(listener: &Listener) -> String {
    format!(
        "if nc -w 3 {} </dev/null; then echo reached; else echo cut off; fi >/called 2>/dev/null\n\
         if nslookup deb.debian.org >/dev/null 2>&1; then echo resolved; else echo unknown; fi >/named\n\
         ls /sys/class/net | tr '\\n' ' ' >/interfaces\n",
        listener.socket
    )
}

fn built(network: &str, listener: &Listener) -> (Sandbox, String) {
    let sandbox = Sandbox::new(&format!("build: .\nnetwork: {{{network}}}\n"));
    let nonce = &sandbox.agent;
    fs::write(sandbox.path().join("Dockerfile"), "FROM busybox\nCOPY build.sh /build.sh\nRUN sh /build.sh\n")
        .expect("a Dockerfile");
    fs::write(sandbox.path().join("build.sh"), format!("# {nonce}\n{}", attack(listener))).expect("a script");
    sandbox.apply();
    let found = sandbox.sh_ok("cat /called /named");
    (sandbox, found)
}

fn gone(sandbox: &Sandbox) {
    let image = sandbox.inspect("main", "{{.Config.Image}}");
    sandbox.moat(&["destroy", "--yes"]).ok();
    engine().try_docker(&["rmi", "-f", &image]);
}

#[test]
fn the_build_of_an_internal_sandbox_has_no_network() {
    let listener = Listener::new();
    let (sandbox, found) = built("internal: true", &listener);
    assert_eq!((found.as_str(), listener.calls()), ("cut off\nunknown", 0));
    assert_eq!(sandbox.sh_ok("cat /interfaces"), "lo");
    // The same for later edits, which a watch builds.
    let script = sandbox.path().join("build.sh");
    let text = fs::read_to_string(&script).expect("a script");
    fs::write(&script, format!("{text}: later\n")).expect("a script");
    let image = sandbox.inspect("main", "{{.Config.Image}}");
    sandbox.moat(&["apply"]).run();
    assert_eq!(listener.calls(), 0);
    gone(&sandbox);
    engine().try_docker(&["rmi", "-f", &image]);
}

#[test]
fn the_hooks_of_an_internal_sandbox_have_no_network() {
    let listener = Listener::new();
    let call = format!("timeout 3 bash -c ': </dev/tcp/{}' && touch /reached; true", listener.socket.replace(' ', "/"));
    let spec = format!("base_image: debian:trixie-slim\nhooks: {{post_build_root: \"{call}\"}}\n");
    let sandbox = Sandbox::applied(&format!("{spec}network: {{internal: true}}\n"));
    assert_eq!((sandbox.sh_ok("ls /reached 2>/dev/null | wc -l").as_str(), listener.calls()), ("0", 0));
    gone(&sandbox);
}

// Proves that the attack works without the protection.
#[test]
fn the_build_of_a_normal_sandbox_has_a_network() {
    let listener = Listener::new();
    let (sandbox, found) = built("internal: false", &listener);
    assert_eq!((found.as_str(), listener.calls()), ("reached\nresolved", 1));
    gone(&sandbox);
    let (sandbox, found) = built("internal: true, build: default", &listener);
    assert_eq!((found.as_str(), listener.calls()), ("reached\nresolved", 2), "it was written");
    gone(&sandbox);
    let (sandbox, found) = built("build: none", &listener);
    assert_eq!((found.as_str(), listener.calls()), ("cut off\nunknown", 2));
    gone(&sandbox);
}

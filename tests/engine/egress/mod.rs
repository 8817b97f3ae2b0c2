//! Sandboxes with a network policy: allowed and denied connections.

mod attacks;
mod drift;
mod grants;
mod installs;
mod internet;
mod load;
mod own_image;
mod planes;
mod proof;
mod registry;
mod verify;

use std::os::unix::fs::PermissionsExt;

pub use internet::{RESOLVER, internet};
use testkit::engine::engine;
use testkit::sandbox::Sandbox;

/// A sandbox with a Docker of its own that may reach the hosts of `rules`.
fn strict(rules: &str) -> Sandbox {
    internet::internet();
    Sandbox::applied(&spec(rules))
}

fn spec(rules: &str) -> String {
    let dns = format!("container: {{ dns: [{RESOLVER}] }}\n");
    format!("image: docker:dind\ndependencies: [docker:dind]\n{dns}network: {{ policy: strict, rules: [{rules}] }}\n")
}

/// A line that fetches a page over HTTP in main, which has perl.
fn get(host: &str) -> String {
    get_at(host, host)
}

/// A line that fetches a page of a host from an address.
fn get_at(address: &str, host: &str) -> String {
    let perl = "use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => shift, PeerPort => 80, Timeout => 5) \
                or die \"$!\\n\"; print $s \"GET / HTTP/1.1\\r\\nHost: $ARGV[0]\\r\\nConnection: close\\r\\n\\r\\n\"; print <$s>";
    format!("perl -e '{perl}' {address} {host}")
}

/// A line that connects to an address and a port in main, and fails if that is impossible.
fn connect(address: &str, port: u16) -> String {
    let perl = "use IO::Socket::INET; IO::Socket::INET->new(PeerAddr => shift, PeerPort => shift, Timeout => 3) or die \"$!\\n\"";
    format!("perl -e '{perl}' {address} {port}")
}

/// Puts `busybox` into the inner Docker, which reaches no registry.
fn load_busybox(sandbox: &Sandbox) {
    engine().docker(&["pull", "-q", "busybox"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("busybox.tar");
    engine().docker(&["save", "-o", &file.to_string_lossy(), "busybox"]);
    // Main may have another user.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    engine().docker(&["cp", &file.to_string_lossy(), &format!("{}:/busybox.tar", sandbox.main())]);
    sandbox.sh_ok("docker load -q -i /busybox.tar");
}

/// The decisions in the gateway's log.
fn decisions(sandbox: &Sandbox) -> Vec<serde_json::Value> {
    let folder = tempfile::tempdir().expect("a folder");
    let from = format!("{}:/var/lib/moat/decisions.jsonl", sandbox.id("gateway"));
    let to = folder.path().join("log");
    engine().docker(&["cp", &from, &to.to_string_lossy()]);
    let text = std::fs::read_to_string(to).expect("a log");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

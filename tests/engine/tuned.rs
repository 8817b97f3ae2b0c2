//! Keys that compose and `docker run` have too: the effect of each, checked from inside or with docker.

use testkit::engine::engine;
use testkit::sandbox::Sandbox;

use crate::language::{example, free_port};

/// The example without the agent that needs a GPU, on a unique port.
fn tuned() -> Sandbox {
    let port = free_port().to_string();
    example("tuned", |text| {
        let first = text.split("---").next().expect("a document");
        first.replace("18000", &port)
    })
}

#[test]
fn every_key_has_its_effect() {
    let sandbox = tuned();
    sandbox.apply();
    sandbox.assert_ready();
    let facts = sandbox.sh_ok(
        "hostname; tr '\\0' ' ' </proc/1/cmdline; echo; touch /x 2>&1; touch /run/x /scratch/x && echo written; \
         df -m /scratch | awk 'NR > 1 {print $2}'; echo 'echo run' >/scratch/s; chmod +x /scratch/s; sh -c /scratch/s; \
         grep CapEff /proc/self/status; echo lost >/dev/nowhere; stat -c %t:%T /dev/nowhere",
    );
    // CHOWN is bit 0, NET_BIND_SERVICE bit 10; 1:3 is /dev/null.
    let expected = "build-1\nhttpd -f -p 8000 -h /etc \ntouch: /x: Read-only file system\nwritten\n8\nrun\n\
                    CapEff:\t0000000000000401\n1:3";
    assert_eq!(facts, expected);
    assert_eq!(sandbox.inspect("main", "{{.Config.StopTimeout}} {{.HostConfig.Init}}"), "2 <nil>");

    // Published ports of main and of a service are reachable, and a service waits for the other.
    let ports = sandbox.moat(&["ports"]).ok().stdout;
    let lines = |of: &str| ports.lines().filter(|line| line.starts_with(of)).count();
    assert_eq!((lines("main"), lines("db")), (4, 1), "{ports}");
    let socket = ports.lines().find(|line| line.starts_with("db")).and_then(|line| line.split_whitespace().last());
    let (host, port) = socket.and_then(|socket| socket.rsplit_once(':')).expect("a socket");
    let answer = format!("printf 'PING\\r\\nQUIT\\r\\n' | nc {host} {port}");
    let answer = engine().docker(&["run", "--rm", "--network", "host", "busybox", "sh", "-c", &answer]);
    assert!(answer.contains("PONG"), "{answer}");
    let started = |name: &str| sandbox.inspect(name, "{{.State.StartedAt}}");
    assert!(started("db") < started("worker"), "{} {}", started("db"), started("worker"));
    assert_eq!(sandbox.inspect("worker", "{{.State.Running}} {{.RestartCount}}"), "true 0");
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);
    sandbox.moat(&["destroy", "--yes", "--volumes"]).ok();
}

#[test]
fn gpu_errors_of_the_engine_are_reported() {
    let sandbox = Sandbox::new("image: busybox\ngpus: all\n");
    let ran = sandbox.moat(&["apply"]).run();
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("capabilities: [[gpu]]"), "{ran}");
}

#[test]
fn a_read_only_root_excludes_file_uploads() {
    let sandbox = Sandbox::new("image: docker:dind\ndependencies: [docker:dind]\nread_only: true\n");
    let ran = sandbox.moat(&["validate"]).run();
    assert_eq!(ran.code, 65, "{ran}");
    assert!(ran.to_string().contains("writes files into the container"), "{ran}");
}

#[test]
fn a_dependency_cycle_of_services_is_reported() {
    let services = "services:\n  a: {image: busybox, depends_on: [b]}\n  b: {image: busybox, depends_on: [c]}\n  \
                    c: {image: busybox, depends_on: [a, nobody]}\n  d: {image: busybox, depends_on: [d, postgres]}\n";
    let sandbox = Sandbox::new(&format!("image: busybox\n{services}"));
    let ran = sandbox.moat(&["validate"]).run();
    assert_eq!(ran.code, 65, "{ran}");
    for said in ["`a` -> `b` -> `c` -> `a`", "unknown service `nobody`", "`d` -> `d`", "unknown service `postgres`"] {
        assert!(ran.to_string().contains(said), "{said}: {ran}");
    }
}

//! Ways around the gateway that a user of the engine opens: each is degraded, named by the plan, and repaired.

use testkit::engine::engine;
use testkit::sandbox::Sandbox;

use super::internet::SERVERS;
use super::{connect, strict};

/// Checks that the sandbox is degraded for the reason, and that an apply closes it again.
fn repaired_by_apply(sandbox: &Sandbox, reason: &str) {
    let status = sandbox.status();
    assert_eq!(status["state"], "degraded", "{status:#}");
    let planned = sandbox.moat(&["plan"]).run();
    assert!(planned.stdout.contains(reason), "{planned}");
    sandbox.apply();
    sandbox.assert_ready();
    assert!(sandbox.sh(&connect(SERVERS, 80)).code != 0, "the way around is closed");
    let again = sandbox.moat(&["plan", "--detailed-exitcode"]).run();
    assert_eq!(again.code, 0, "{again}");
}

#[test]
fn main_is_connected_elsewhere() {
    let sandbox = strict("allowed.example");
    let before = sandbox.main();
    engine().docker(&["network", "connect", "bridge", &sandbox.main()]);
    sandbox.sh_ok(&connect(SERVERS, 80));
    repaired_by_apply(&sandbox, "disconnect container");
    assert_eq!(sandbox.main(), before, "it was disconnected in place");
}

/// Makes the network of a sandbox again, as an ordinary one without containers. Returns its name.
pub fn without_its_flags(sandbox: &Sandbox, containers: &[&str]) -> String {
    let name = format!("moat-{}", sandbox.run_id());
    let labels = engine().docker(&[
        "network",
        "inspect",
        "-f",
        "{{range $k, $v := .Labels}}--label\n{{$k}}={{$v}}\n{{end}}",
        &name,
    ]);
    let subnet = engine().docker(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", &name]);
    for container in containers {
        engine().docker(&["network", "disconnect", "-f", &name, &sandbox.id(container)]);
    }
    engine().docker(&["network", "rm", &name]);
    let mut create = vec!["network", "create", "--subnet", &subnet];
    create.extend(labels.lines());
    create.push(&name);
    engine().docker(&create);
    name
}

#[test]
fn the_network_is_recreated_without_its_flags() {
    let sandbox = strict("allowed.example");
    without_its_flags(&sandbox, &["main", "buildkit", "gateway"]);
    repaired_by_apply(&sandbox, "internal false -> true");
}

#[test]
fn other_rules_are_set_in_the_gateway() {
    let sandbox = strict("allowed.example");
    let policy = r#"{"version":1,"mode":"learn","rules":[],"host_ports":[]}"#;
    let mut command = engine().command(&[
        "exec",
        "-i",
        &sandbox.id("gateway"),
        "/moat",
        "gateway",
        "set",
        "--state",
        "/var/lib/moat",
    ]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut child = command.spawn().expect("docker");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), policy.as_bytes()).expect("written");
    assert!(child.wait().expect("an end").success());
    repaired_by_apply(&sandbox, r#"mode "learn" -> "strict""#);
}

#[test]
fn the_gateway_is_gone() {
    let sandbox = strict("allowed.example");
    let before = sandbox.inspect("main", "{{.Id}} {{.State.StartedAt}}");
    engine().docker(&["rm", "-f", &sandbox.id("gateway")]);
    repaired_by_apply(&sandbox, "create container moat-gateway-");
    assert_eq!(sandbox.inspect("main", "{{.Id}} {{.State.StartedAt}}"), before, "main goes on");
    let gone = sandbox.moat(&["destroy", "--yes"]).run();
    assert_eq!(gone.code, 0, "{gone}");
    let filter = format!("label=moat.agent={}", sandbox.agent);
    for list in [["ps", "-aq"], ["network", "ls"], ["volume", "ls"]] {
        let args: Vec<&str> = list.into_iter().chain(["-q", "--filter", &filter]).collect();
        let left = engine().list(&args);
        let kept = left.iter().all(|name| name.ends_with("-buildkit-cache") || name.ends_with("-docker"));
        assert!(kept, "{left:?}");
    }
}

//! The complete example: a built image with an inner Docker, databases, a workspace, ports and a secret, with one apply.

use std::fs;
use std::os::unix::fs::chown;

use testkit::engine::engine;
use testkit::sandbox::Sandbox;

use crate::language::{example, walk};

/// Runs a program of another image on the sandbox's network.
fn beside(sandbox: &Sandbox, image: &str, command: &[&str]) -> String {
    let network = format!("moat-{}", sandbox.run_id());
    engine().docker(&[&["run", "--rm", "--network", &network, image], command].concat())
}

fn as_agent(sandbox: &Sandbox, script: &str) -> String {
    sandbox.moat(&["exec", "--user", "agent", "--", "sh", "-ec", script]).ok().stdout.trim_end().to_owned()
}

/// The number of builds in the sidecar's history. The first line is the table header.
fn builds_of_the_sidecar(sandbox: &Sandbox) -> usize {
    sandbox.docker_exec("buildkit", &["buildctl", "debug", "histories"]).lines().skip(1).count()
}

#[test]
fn one_apply_makes_everything_ready() {
    let sandbox = example("whole", str::to_owned);
    let secret = "hunter2-of-the-whole";
    fs::write(sandbox.path().join("token"), secret).expect("a file");
    chown(sandbox.path(), Some(1000), Some(1000)).expect("root may");
    let mut reported = sandbox.moat(&["plan"]).ok().to_string();
    let mut moat = |args: &[&str]| {
        let mut moat = sandbox.moat(args);
        moat.command.env("MOAT_LOG", "trace");
        reported.push_str(&moat.ok().to_string());
    };
    moat(&["plan", "--json"]);
    moat(&["apply", "-vv"]);
    moat(&["apply", "--json"]);
    moat(&["status", "--json"]);
    moat(&["plan", "--detailed-exitcode"]);
    let status = sandbox.status();
    assert_eq!(status["state"], "ready", "{status:#}");
    assert_eq!(status["builds"]["routed"], true, "{status:#}");

    // The command has built its image on the sidecar, and serves both ports from it.
    assert_eq!(builds_of_the_sidecar(&sandbox), 1);
    for (name, page) in [("web", "the app"), ("admin", "its back door")] {
        let ports = status["ports"].as_array().expect("ports");
        let port = ports.iter().find(|port| port["name"] == name).expect("one of that name")["host"].to_string();
        let url = format!("http://127.0.0.1:{port}/");
        assert_eq!(engine().docker(&["run", "--rm", "--network", "host", "busybox", "wget", "-qO-", &url]), page);
    }
    // The agent's user can build and run like root, in its home directory and workspace.
    let built = "cd && mkdir ctx && printf 'FROM busybox\nCMD echo made by agent\n' >ctx/Dockerfile
        docker build -q -t mine ctx >/dev/null && docker run --rm mine";
    assert_eq!(as_agent(&sandbox, built), "made by agent");
    assert_eq!(builds_of_the_sidecar(&sandbox), 2);
    assert_eq!(
        as_agent(&sandbox, "id -un; id -u; echo $HOME; touch /workspace/made; stat -c %U /workspace/made"),
        "agent\n1000\n/home/agent\nagent"
    );
    assert_eq!(
        as_agent(&sandbox, "node --version && git -C /workspace init -q && docker compose version >/dev/null"),
        "v22.0.0"
    );
    assert_eq!(sandbox.sh_ok("docker exec app sh -c 'echo $TOKEN'"), secret);

    let url = sandbox.sh_ok("echo $MOAT_POSTGRES_URL");
    assert_eq!(beside(&sandbox, "postgres:17", &["psql", &url, "-Atqc", "select 6 * 7"]), "42");
    let url = sandbox.sh_ok("echo $MOAT_REDIS_URL");
    assert_eq!(beside(&sandbox, "redis:7", &["redis-cli", "--no-auth-warning", "-u", &url, "ping"]), "PONG");

    let of_agent = format!("label=moat.agent={}", sandbox.agent);
    for container in ["main", "buildkit", "postgres", "redis"] {
        reported.push_str(&sandbox.inspect(container, "{{json .Config.Labels}} {{json .HostConfig}} {{json .Args}}"));
        reported.push_str(&engine().try_docker(&["logs", &sandbox.id(container)]).to_string());
    }
    reported.push_str(&engine().docker(&["volume", "ls", "--filter", &of_agent, "--format", "{{.Name}} {{.Labels}}"]));
    let image = sandbox.inspect("main", "{{.Config.Image}}");
    reported.push_str(&engine().docker(&["image", "inspect", &image]));
    reported.push_str(&engine().docker(&["image", "history", "--no-trunc", &image]));
    for file in walk(&sandbox.home().join(".local")) {
        reported.push_str(&String::from_utf8_lossy(&fs::read(file).expect("a file")));
    }
    assert!(
        reported.contains("moat.config") && reported.contains("build image"),
        "labels and plans have been looked at"
    );
    assert_eq!(reported.lines().find(|line| line.contains(secret)), None);
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    engine().try_docker(&["rmi", "-f", &image]);
}

//! A sandbox without rights on the host: builds, containers, compose, ports, services and workspaces.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::{DIND, Sandbox};

const ROOTLESS: &str = "isolation: rootless\ndependencies: [docker:dind]\n";

#[test]
fn images_built_on_the_sidecar_run_at_once() {
    let sandbox = Sandbox::applied(ROOTLESS);
    for container in ["main", "buildkit"] {
        assert_eq!(sandbox.inspect(container, "{{.HostConfig.Privileged}} {{.Config.User}}"), "false 1000");
    }
    sandbox.sh_ok("mkdir -p /tmp/b && printf 'FROM busybox\\nRUN echo built >/f\\nCMD cat /f\\n' >/tmp/b/Dockerfile");
    assert_eq!(sandbox.sh_ok("docker build -q -t own /tmp/b >/dev/null && docker run --rm own"), "built");
    // On the sidecar, not on the daemon's own builder.
    let cache = sandbox.docker_exec("buildkit", &["buildctl", "du"]);
    assert!(cache.contains("RUN") || cache.lines().count() > 3, "{cache}");
    let compose = "services:\n  web:\n    build: .\n    image: own\n    volumes: ['/tmp/b:/mine:ro']\n    command: cat /mine/Dockerfile\n";
    sandbox.sh_ok(&format!("cat >/tmp/b/compose.yaml <<'END'\n{compose}END"));
    let ran = sandbox.sh_ok("cd /tmp/b && docker compose build -q && docker compose run --rm web 2>/dev/null");
    assert!(ran.contains("RUN echo built"), "{ran}");
    let plan = sandbox.moat(&["plan"]).ok().to_string();
    assert!(plan.contains("Nothing to do"), "{plan}");
    // The daemon starts again with its images, and stops in order.
    sandbox.moat(&["stop"]).ok();
    assert_eq!(sandbox.inspect("main", "{{.State.ExitCode}}"), "0");
    sandbox.moat(&["start"]).ok();
    assert_eq!(sandbox.sh_ok("docker run --rm own"), "built");
    // A killed daemon leaves files behind.
    engine().docker(&["kill", &sandbox.main()]);
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("docker run --rm own"), "built");
}

#[test]
fn containers_inside_reach_names_ports_and_the_usual_socket() {
    let sandbox =
        Sandbox::applied(&format!("{ROOTLESS}services: {{db: {{image: 'redis:7'}}}}\ncommand: sleep infinity\n"));
    // It answers that a password is missing.
    let answer = sandbox.sh_ok("docker run --rm busybox sh -c 'echo PING | nc -w 3 db 6379'");
    assert!(answer.contains("Redis"), "{answer}");
    let web = "mkdir /www; echo page >/www/index.html; exec httpd -f -h /www";
    sandbox.sh_ok(&format!("docker run -d --name web -p 8081:80 busybox sh -c '{web}'"));
    // From main, which is outside of the daemon's network.
    let page = "exec 3<>/dev/tcp/127.0.0.1/8081; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
    assert!(until(|| sandbox.sh(&format!("bash -c \"{page}\"")).stdout.contains("page")));
    let socket =
        "docker run --rm -v /var/run/docker.sock:/var/run/docker.sock docker:cli docker ps --format '{{.Names}}'";
    assert!(sandbox.sh_ok(socket).lines().any(|name| name == "web"));
    // The container of main has no network of its own making.
    assert_eq!(sandbox.inspect("main", "{{.HostConfig.CapDrop}}"), "[ALL]");
}

#[test]
fn the_workspace_is_writable_for_main_and_its_containers() {
    let sandbox = Sandbox::new(&format!("{ROOTLESS}workspace: work\n"));
    let folder = sandbox.path().join("work");
    fs::create_dir(&folder).expect("a folder");
    let refused = sandbox.moat(&["plan"]).run();
    assert!(refused.to_string().contains("the workspace belongs to the user 0, and main runs as 1000"), "{refused}");
    chown(&folder, Some(1000), Some(1000)).expect("a new owner");
    sandbox.apply();
    sandbox.sh_ok("echo main >/workspace/main; docker run --rm -v /workspace:/w busybox sh -c 'cat /w/main >/w/inner'");
    assert_eq!(fs::read_to_string(folder.join("inner")).expect("a file"), "main\n");
}

// `moat init` in a folder of the usual user, and the example of the README with it.
#[test]
fn the_first_spec_of_a_user_is_isolated() {
    let sandbox = Sandbox::new("image: busybox\n");
    let file = sandbox.path().join("agent.yaml");
    fs::remove_file(&file).expect("the file of the test");
    chown(sandbox.path(), Some(1000), Some(1000)).expect("a new owner");
    sandbox.moat(&["init", "--yes", "--agent", &sandbox.agent]).ok();
    // The lab's registry has a private address, which no policy allows.
    let text = fs::read_to_string(&file).expect("a spec");
    fs::write(&file, text.replace("policy: strict", "policy: open").replace("  rules:\n    - \"@docker-hub\"\n", ""))
        .expect("a file");
    sandbox.apply();
    sandbox.assert_ready();
    assert_eq!(sandbox.inspect("main", "{{.HostConfig.Privileged}} {{.Config.User}}"), "false 1000");
    fs::write(sandbox.path().join("Dockerfile"), "FROM busybox\nCMD echo hello\n").expect("a file");
    sandbox.moat(&["exec", "--", "docker", "build", "-q", "-t", "x", "."]).ok();
    assert_eq!(sandbox.moat(&["exec", "--", "docker", "run", "--rm", "x"]).ok().stdout, "hello\n");
    assert!(sandbox.apply().to_string().contains("nothing to do"));
}

#[test]
fn another_runtime_runs_main_and_an_unknown_one_is_refused() {
    let sandbox = Sandbox::applied("image: busybox\ncontainer: {runtime: other}\n");
    assert_eq!(sandbox.inspect("main", "{{.HostConfig.Runtime}}"), "other");
    assert!(sandbox.moat(&["status"]).ok().stdout.contains("isolation: default (runtime other)\n"));
    assert!(sandbox.moat(&["plan"]).ok().stdout.contains("Nothing to do"));
    sandbox.rewrite("image: busybox\ncontainer: {runtime: runsc}\n");
    let refused = sandbox.moat(&["apply", "--approve-all"]).run();
    assert!(refused.code == 65 && refused.stderr.contains("the engine has no runtime `runsc`"), "{refused}");
    assert_eq!(sandbox.inspect("main", "{{.HostConfig.Runtime}}"), "other");
    // Back to the engine's own is less than what was approved.
    sandbox.rewrite("image: busybox\n");
    assert_eq!(sandbox.moat(&["apply"]).run().code, 77);
}

// A container made by hand can have every label of moat's, and all rights.
#[test]
fn a_container_that_was_recreated_as_privileged_is_drift_and_shown_as_it_is() {
    let sandbox = Sandbox::applied(ROOTLESS);
    let shown = |sandbox: &Sandbox| sandbox.moat(&["status"]).ok().stdout;
    assert!(shown(&sandbox).contains("ready\nisolation: rootless\n"), "{}", shown(&sandbox));
    let (main, network) = (sandbox.main(), format!("moat-{}", sandbox.run_id()));
    let labels = sandbox.inspect("main", "{{json .Config.Labels}}");
    let labels: BTreeMap<String, String> = serde_json::from_str(&labels).expect("labels");
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("--label={name}={value}")).collect();
    engine().docker(&["rm", "--force", &main]);
    let mut run =
        vec!["run", "--detach", "--privileged", "--restart=unless-stopped", "--name", &main, "--network", &network];
    run.extend(labels.iter().map(String::as_str));
    run.extend(["--entrypoint", "sleep", "docker:dind-rootless", "1000"]);
    engine().docker(&run);
    let text = shown(&sandbox);
    assert!(text.contains("degraded\nisolation: privileged, buildkit rootless\n"), "{text}");
    assert!(text.contains("running  no (changed: privileged)\n"), "{text}");
    let status = sandbox.status();
    let all = status["resources"].as_array().expect("a list");
    let of = |name: &str| all.iter().find(|it| it["resource"] == name).map(|it| it["isolation"].clone());
    assert_eq!(of("container/main"), Some("privileged".into()));
    assert_eq!(of("container/buildkit"), Some("rootless".into()));
    assert_eq!(of("network/agent"), Some(serde_json::Value::Null));
    sandbox.apply();
    assert_eq!(sandbox.inspect("main", "{{.HostConfig.Privileged}}"), "false");
    assert!(shown(&sandbox).contains("ready\nisolation: rootless\n"), "{}", shown(&sandbox));
}

#[test]
fn a_plan_with_privileged_containers_names_the_alternative_once() {
    let sandbox = Sandbox::new(DIND);
    let hints = |sandbox: &Sandbox| sandbox.moat(&["plan"]).ok().stdout.matches("`isolation: rootless`").count();
    assert_eq!(hints(&sandbox), 1);
    sandbox.rewrite(&format!("isolation: privileged\n{DIND}"));
    assert_eq!(hints(&sandbox), 0);
}

/// The same as `moat doctor`; the addresses themselves are tried in `egress::attacks`.
#[test]
fn a_plan_of_privileged_containers_under_a_policy_names_its_limit_once() {
    let policy = "network: { policy: strict }\n";
    let cases = [
        (format!("{DIND}{policy}"), true),
        (DIND.to_owned(), false),
        (format!("image: busybox\ncap_add: [NET_ADMIN]\n{policy}"), true),
        (format!("image: busybox\ncap_add: [NET_RAW]\n{policy}"), false),
        (format!("{ROOTLESS}{policy}"), false),
    ];
    let sandbox = Sandbox::new(DIND);
    for (spec, named) in cases {
        sandbox.rewrite(&spec);
        let text = sandbox.moat(&["plan"]).ok().stdout;
        assert_eq!(text.matches("turn IPv6 on").count(), usize::from(named), "{spec}{text}");
        let document: serde_json::Value =
            serde_json::from_str(&sandbox.moat(&["plan", "--json"]).ok().stdout).expect("JSON");
        let limits = document["policy_limits"].as_array().expect("a list");
        assert_eq!(limits.len(), usize::from(named), "{document}");
        assert!(limits.iter().all(|it| text.contains(it.as_str().expect("text"))), "text and JSON say the same");
    }
}

// A spec without the key stays as it is, and going down needs an approval.
#[test]
fn less_isolation_needs_an_approval() {
    let sandbox = Sandbox::applied(ROOTLESS);
    let plain = DIND.replace("image: docker:dind\n", "");
    sandbox.rewrite(&plain);
    let refused = sandbox.moat(&["apply"]).run();
    assert_eq!(refused.code, 77, "{refused}");
    assert_eq!(sandbox.inspect("main", "{{.HostConfig.Privileged}}"), "false");
    sandbox.moat(&["apply", "--approve-all"]).ok();
    assert_eq!(sandbox.inspect("main", "{{.HostConfig.Privileged}}"), "true");
    sandbox.rewrite(ROOTLESS);
    sandbox.moat(&["apply"]).ok();
    assert_eq!(sandbox.inspect("main", "{{.HostConfig.Privileged}}"), "false");
}

#[test]
fn an_image_whose_user_can_become_root_is_refused() {
    let sandbox = Sandbox::new(&format!("build: .\n{ROOTLESS}"));
    let sudo = "FROM docker:dind-rootless\nUSER root\nRUN printf '#!/bin/sh\\nexit 0\\n' >/usr/local/bin/sudo && chmod 755 /usr/local/bin/sudo\nUSER rootless\n";
    fs::write(sandbox.path().join("Dockerfile"), sudo).expect("a file");
    let refused = sandbox.moat(&["apply"]).run();
    assert!(refused.to_string().contains("can become root"), "{refused}");
}

// The image of Docker has one user; for the owner of another workspace, and with other dependencies, moat makes an image.
#[test]
fn main_runs_as_the_owner_of_the_workspace_in_an_image_that_moat_builds() {
    for (owner, more) in [(1234, ""), (1000, ", jq")] {
        let sandbox = Sandbox::new(&format!("isolation: rootless\ndependencies: [docker:dind{more}]\nworkspace: .\n"));
        chown(sandbox.path(), Some(owner), Some(owner)).expect("a new owner");
        sandbox.apply();
        sandbox.assert_ready();
        assert_eq!(sandbox.inspect("main", "{{.HostConfig.Privileged}} {{.Config.User}}"), format!("false {owner}"));
        assert_eq!(sandbox.sh_ok("id -un; echo $HOME"), "agent\n/home/agent");
        assert_eq!(sandbox.sh_ok("find / -xdev -type f -perm /6000 2>/dev/null || true"), "", "no way to root");
        fs::write(sandbox.path().join("Dockerfile"), "FROM busybox\nRUN echo built >/f\nCMD cat /f\n").expect("a file");
        assert_eq!(sandbox.sh_ok("docker build -q -t x . >/dev/null && docker run --rm x"), "built");
        sandbox.sh_ok("docker run --rm -v /workspace:/w x touch /w/inner");
        assert_eq!(fs::metadata(sandbox.path().join("inner")).expect("a file").uid(), owner);
        // The data is in the volume: overlay works there only.
        assert_eq!(sandbox.sh_ok("docker info --format '{{.Driver}}'"), "overlay2");
        sandbox.moat(&["stop"]).ok();
        sandbox.moat(&["start"]).ok();
        assert_eq!(sandbox.sh_ok("docker run --rm x"), "built");
        assert!(sandbox.moat(&["plan"]).ok().stdout.contains("Nothing to do"));
    }
}

// Packages of Debian are the hooks', since main has no root.
#[test]
fn hooks_of_the_build_install_what_main_cannot() {
    let hooks =
        "hooks: {post_build_root: 'apt-get update && apt-get install --yes file', post_build: 'touch ~/mine'}\n";
    let sandbox = Sandbox::applied(&format!("{ROOTLESS}{hooks}"));
    sandbox.sh_ok("file --version && [ -O ~/mine ]");
    let run = "printf 'FROM busybox\n' | docker build -q -t x - >/dev/null && docker run --rm x echo runs";
    assert_eq!(sandbox.sh_ok(run), "runs");
}

/// In the place of a coding agent from a registry: it uses its volume, its note and the daemon.
const AGENT: &str = r#"capability: stand-in
summary: a stand-in
presets: []
agent: {name: stand-in, command: [/usr/local/lib/agent], note: /home/agent/.agent/note.md}
main:
  volumes: [{name: agent, target: /home/agent/.agent}]
  files:
    - path: /usr/local/lib/agent
      executable: true
      content: |
        #!/bin/sh
        echo "asked $*"
        grep -q sandbox ~/.agent/note.md && touch ~/.agent/mine && docker ps -q && echo works
"#;

#[test]
fn a_coding_agent_has_its_files_and_the_daemon() {
    let sandbox = Sandbox::new("isolation: rootless\ndependencies: [docker:dind, stand-in, jq]\n");
    let specs = sandbox.path().join("specs");
    fs::create_dir(&specs).expect("a folder");
    fs::write(specs.join("stand-in.yaml"), AGENT).expect("a file");
    sandbox.apply();
    let ran = sandbox.moat(&["agent", "stand-in", "-p", "hi"]).ok();
    assert!(ran.stdout.contains("asked -p hi\n") && ran.stdout.contains("works\n"), "{ran}");
}

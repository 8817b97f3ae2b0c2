//! The everyday commands on a running sandbox, with their complete output.

use std::fs;
use std::process::{Child, Stdio};

use expect_test::expect;
use serde_json::Value;
use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::{DIND, PLAIN, Sandbox};

/// Writes to both streams. The engine reads the streams independently, so the pauses between the lines are long.
const WRITES_LINES: &str = "image: busybox\ncommand: [sh, -c, 'echo one; sleep 1; echo two >&2; sleep 1; echo three; exec sleep 1000']\nenv: { N: \"1\" }\n";

pub struct Running<'a> {
    child: Child,
    sandbox: &'a Sandbox,
}

impl<'a> Running<'a> {
    pub fn start(sandbox: &'a Sandbox, args: &[&str]) -> Self {
        let file = |name: &str| fs::File::create(sandbox.path().join(name)).expect("a file");
        let mut command = sandbox.moat(args).command;
        command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        Self { child: command.spawn().expect("moat runs"), sandbox }
    }

    pub fn out(&self) -> String {
        fs::read_to_string(self.sandbox.path().join("out")).expect("a file")
    }

    /// Waits until the output matches.
    #[track_caller]
    pub fn wrote(&self, what: impl Fn(&str) -> bool) {
        let err = || fs::read_to_string(self.sandbox.path().join("err")).unwrap_or_default();
        assert!(until(|| what(&self.out())), "{}\n{}", self.out(), err());
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn logs_are_ordered_by_time() {
    let sandbox = Sandbox::applied(WRITES_LINES);
    assert!(until(|| sandbox.moat(&["logs"]).ok().stdout.ends_with("three\n")));
    expect![[r#"
        exit 0
        == stdout
        one
        two
        three
    "#]]
    .assert_eq(&sandbox.moat(&["logs"]).transcript());
    assert_eq!(sandbox.moat(&["logs", "-n", "1", "-c", "main"]).ok().stdout, "three\n");
    let stamped = sandbox.moat(&["logs", "--timestamps"]).ok().stdout;
    let times: Vec<&str> = stamped.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(times.len() == 3 && times.is_sorted() && times.iter().all(|time| time.ends_with('Z')), "{stamped}");
    // From the second line.
    let since = sandbox.moat(&["logs", "--since", times[1]]).ok().stdout;
    assert_eq!(since, "two\nthree\n");
    assert_eq!(sandbox.moat(&["logs", "--since", "2030-01-01T00:00:00Z"]).ok().stdout, "");
    let json = sandbox.moat(&["logs", "--json"]).ok().stdout;
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let seen: Vec<_> =
        lines.iter().map(|it| (it["container"].as_str(), it["stream"].as_str(), it["text"].as_str())).collect();
    let line = |stream, text| (Some("main"), Some(stream), Some(text));
    assert_eq!(seen, [line("stdout", "one"), line("stderr", "two"), line("stdout", "three")]);
    assert_eq!(lines[0]["time"], times[0]);
}

#[test]
fn following_continues_across_a_restart_and_a_replacement() {
    let sandbox = Sandbox::applied(WRITES_LINES);
    let follower = Running::start(&sandbox, &["logs", "-f"]);
    let once = "one\ntwo\nthree\n";
    follower.wrote(|out| out == once);
    engine().docker(&["restart", "--time", "0", &sandbox.main()]);
    follower.wrote(|out| out == once.repeat(2));
    let first = sandbox.main();
    sandbox.rewrite(&WRITES_LINES.replace("\"1\"", "\"2\""));
    sandbox.apply();
    assert_ne!(sandbox.main(), first);
    follower.wrote(|out| out == once.repeat(3));
    // All containers are gone, and it exits.
    sandbox.moat(&["destroy"]).ok();
    let mut follower = follower;
    assert!(until(|| follower.child.try_wait().expect("a child").is_some_and(|status| status.success())));
    assert_eq!(follower.out(), once.repeat(3));
}

#[test]
fn lines_of_several_containers_have_prefixes() {
    let sandbox = Sandbox::applied(DIND);
    let logs = sandbox.moat(&["logs"]).ok().stdout;
    assert!(logs.lines().any(|line| line.starts_with("buildkit | ")), "{logs}");
    assert!(logs.lines().all(|line| line.starts_with("buildkit | ") || line.starts_with("main     | ")), "{logs}");
    let coloured = sandbox.moat(&["--color", "always", "logs", "-n", "1"]).ok().stdout;
    assert!(coloured.contains("\u{1b}[33mbuildkit |\u{1b}[0m "), "{coloured:?}");
}

#[test]
fn a_sandbox_is_found_by_name_from_any_directory() {
    let sandbox = Sandbox::applied(PLAIN);
    let elsewhere = Sandbox::new(PLAIN);
    for name in [sandbox.agent.as_str(), &sandbox.run_id()] {
        let status = elsewhere.moat(&["status", name, "--json"]).ok().stdout;
        let status: Value = serde_json::from_str(&status).expect("a document");
        assert_eq!((&status["run"], &status["state"]), (&sandbox.run_id().into(), &"ready".into()));
        assert_eq!(elsewhere.moat(&["exec", name, "--", "echo", "found"]).ok().stdout, "found\n");
    }
    let slip = format!("{}x", sandbox.agent);
    let reported = sandbox.moat(&["logs", &slip]).transcript();
    expect![[r#"
        exit 1
        == stderr
        error: no sandbox `builderx` on this Docker host
          = help: did you mean `builder`?
    "#]]
    .assert_eq(&reported);
    expect![[r#"
        exit 1
        == stderr
        error: `builder` has no container `mian`
          = help: did you mean `main`?
    "#]]
    .assert_eq(&sandbox.moat(&["logs", "-c", "mian"]).transcript());
    // A container's name is not a sandbox's; the error says so.
    expect![[r#"
        exit 1
        == stderr
        error: no sandbox `main` on this Docker host
          = help: `main` is a container: select it with `-c main`
    "#]]
    .assert_eq(&sandbox.moat(&["restart", "main"]).transcript());
    let ids = sandbox.moat(&["list", "-q"]).ok();
    assert!(ids.stdout.lines().any(|line| line == sandbox.run_id()), "{ids}");
    assert!(ids.stdout.lines().all(|line| !line.contains(' ')), "{ids}");
    // Without its file it can only be destroyed, by name.
    fs::remove_file(sandbox.path().join("agent.yaml")).expect("removed");
    let refused = elsewhere.moat(&["status", &sandbox.agent]).run();
    assert!(refused.code == 1 && refused.stderr.contains("is missing or invalid"), "{refused}");
    elsewhere.moat(&["destroy", &sandbox.agent]).ok();
    assert_eq!(sandbox.find("main"), None);
}

/// A command that ignores SIGTERM is killed after the timeout, here a short one given by the user.
#[test]
fn stop_has_a_timeout() {
    let sandbox =
        Sandbox::applied("image: busybox\ncommand: trap 'echo asked to end' TERM; while :; do sleep 8; done\n");
    let ran = sandbox.moat(&["stop", "-t", "0"]).ok();
    assert!(ran.stderr.contains("is stopped"), "{ran}");
    assert_eq!(sandbox.inspect("main", "{{.State.ExitCode}}"), "137");
    // With its default of ten seconds it would have handled the signal and printed.
    assert_eq!(sandbox.moat(&["logs"]).ok().stdout, "");
}

#[test]
fn a_stopped_sandbox_is_not_started_by_other_commands() {
    let sandbox = Sandbox::applied(DIND);
    let ids = (sandbox.main(), sandbox.sidecar());
    expect![[r#"
        exit 0
        == stderr
        builder: 3 to do
          created  volume moat-stopped-R
          stopped  container moat-R
          stopped  container moat-buildkit-R
        builder is stopped
        next: moat start
    "#]]
    .assert_eq(&sandbox.moat(&["stop"]).transcript());
    expect![[r#"
        exit 0
        == stdout
        builder: stopped
        isolation: privileged

        RESOURCE  NAME  STATE  READY
        image  docker:dind  present  yes
        image  moby/buildkit:v0.32.2  present  yes
        network/agent  moat-R  present  yes
        volume/buildkit-cache  moat-R-buildkit-cache  present  yes
        volume/buildkit-socket  moat-R-buildkit-socket  present  yes
        volume/docker  moat-R-docker  present  yes
        container/buildkit  moat-buildkit-R  exited  no
        container/main  moat-R  exited  no
    "#]]
    .assert_eq(&sandbox.moat(&["status"]).transcript());
    // No apply starts it, not even with a changed spec, and a container started by hand is stopped.
    sandbox.rewrite(&format!("{DIND}env: {{ A: b }}\n"));
    engine().docker(&["start", &ids.1]);
    let applied = sandbox.moat(&["apply"]).ok();
    // An engine that starts it again meanwhile is answered in a second round.
    assert!(applied.stderr.contains("is stopped ("), "{applied}");
    assert_eq!(sandbox.inspect("buildkit", "{{.State.Running}}"), "false");
    expect![[r#"
        exit 0
        == stdout
        Nothing to do: builder is stopped until `moat start`
    "#]]
    .assert_eq(&sandbox.moat(&["plan", "--detailed-exitcode"]).transcript());
    expect![[r#"
        exit 1
        == stderr
        error: the main container of `builder` is not running (exited)
          = help: `moat start` starts it
    "#]]
    .assert_eq(&sandbox.moat(&["exec", "--", "true"]).transcript());
    assert_eq!(sandbox.moat(&["restart"]).run().code, 1);
    // The stop mark is removed, and the spec applies again.
    sandbox.moat(&["start"]).ok();
    sandbox.assert_ready();
    assert_eq!(sandbox.sh_ok("echo $A"), "b");
    assert_eq!(sandbox.sidecar(), ids.1);
    assert!(sandbox.volumes().iter().all(|name| !name.contains("stopped")), "{:?}", sandbox.volumes());
    // A stopped sandbox is removed with its mark.
    sandbox.moat(&["stop"]).ok();
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    assert_eq!(sandbox.volumes(), Vec::<String>::new());
    expect![[r#"
        exit 1
        == stderr
        error: the main container of `builder` does not exist
          = help: `moat apply` creates or starts it; `moat status` shows the state
    "#]]
    .assert_eq(&sandbox.moat(&["stop"]).transcript());
}

#[test]
fn a_restart_keeps_the_container_and_probes_it() {
    let sandbox = Sandbox::applied(DIND);
    let started = || ["main", "buildkit"].map(|name| sandbox.inspect(name, "{{.Id}} {{.State.StartedAt}}"));
    let before = started();
    expect![[r#"
        exit 0
        == stderr
        builder: 2 to do
          ready  container moat-R
          restarted container moat-R
        builder is ready
          main  moat-R
          buildkit  moat-buildkit-R
        next: moat exec -- docker build .
    "#]]
    .assert_eq(&sandbox.moat(&["restart", "-c", "main"]).transcript());
    let after = started();
    assert!(before[0] != after[0] && before[0][..64] == after[0][..64], "{before:?} {after:?}");
    assert_eq!(before[1], after[1]);
    sandbox.moat(&["restart"]).ok();
    assert_ne!(started()[1], after[1]);
    sandbox.assert_ready();
}

#[test]
fn files_are_copied_unchanged() {
    let sandbox = Sandbox::applied(PLAIN);
    let tree = sandbox.path().join("tree/sub");
    fs::create_dir_all(&tree).expect("folders");
    // More than one chunk, with all byte values.
    let large: Vec<u8> = (0..1_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(tree.join("large"), &large).expect("a file");
    std::os::unix::fs::symlink("large", tree.join("link")).expect("a link");
    expect![[r#"
        exit 0
        == stderr
        copied 1 file, 1.0 MB
    "#]]
    .assert_eq(&sandbox.moat(&["cp", "tree", ":/root/"]).transcript());
    assert_eq!(sandbox.sh_ok("cd /root/tree/sub && wc -c <large && readlink link"), "1000000\nlarge");
    // A missing target is the new name, an existing one the folder.
    let json = sandbox.moat(&["cp", "--json", ":/root/tree", "back"]).ok().stdout;
    assert_eq!(serde_json::from_str::<Value>(&json).expect("a document")["bytes"], 1_000_000);
    sandbox.moat(&["cp", &format!("{}:/root/tree/sub/large", sandbox.agent), "back"]).ok();
    for copy in ["back/sub/large", "back/large"] {
        assert!(fs::read(sandbox.path().join(copy)).expect("a file") == large, "{copy}");
    }
    assert_eq!(fs::read_link(sandbox.path().join("back/sub/link")).expect("a link").to_str(), Some("large"));
    sandbox.moat(&["cp", "tree/sub/large", ":/renamed"]).ok();
    assert_eq!(sandbox.sh_ok("wc -c </renamed"), "1000000");
    let refused: Vec<String> =
        [&["cp", "nothing", ":/"][..], &["cp", "tree", ":/no/such/"], &["cp", ":/nothing", "."], &["cp", "a", "b"]]
            .iter()
            .map(|args| sandbox.moat(args).transcript())
            .collect();
    expect![[r#"
        exit 1
        == stderr
        error: `nothing` does not exist on this host
          = help: check the path; missing directories are not created
        exit 1
        == stderr
        error: no directory `/no/` in the sandbox
          = help: create it first: `moat exec -- mkdir -p /no`
        exit 1
        == stderr
        error: `/nothing` does not exist in the sandbox
          = help: check with `moat exec -- ls`
        exit 64
        == stderr
        error: exactly one of the two paths must be in the sandbox
          = help: a path in the sandbox starts with a colon: `moat cp file :/work`
    "#]]
    .assert_eq(&refused.concat());
}

#[test]
fn ports_are_listed_and_opened() {
    let sandbox = Sandbox::applied(PLAIN);
    expect![[r#"
        exit 0
        == stderr
        builder has no ports
    "#]]
    .assert_eq(&sandbox.moat(&["ports"]).transcript());
    // A container of the sandbox, as from a later spec.
    let label = |name: &str, value: &str| format!("--label=moat.{name}={value}");
    let labels = [
        label("run", &sandbox.run_id()),
        label("agent", &sandbox.agent),
        label("spec", &sandbox.inspect("main", "{{index .Config.Labels \"moat.spec\"}}")),
        label("resource", "container/web"),
    ];
    let name = format!("--name=web-{}", sandbox.agent);
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let ports = ["--publish", "127.0.0.1::80", "--expose", "81", "busybox", "sleep", "1000"];
    engine().docker(&[&["run", "-d", &name], &labels[..], &ports].concat());
    let reported = sandbox.moat(&["ports"]).ok().stdout;
    let published = engine().docker(&["port", &format!("web-{}", sandbox.agent), "80"]);
    assert_eq!(
        sandbox.plain(&reported).replace(&published, "ADDRESS"),
        "CONTAINER  PORT  HOST\nweb  80/tcp  ADDRESS\nweb  81/tcp  not published\n"
    );
    let ports: Value = serde_json::from_str(&sandbox.moat(&["ports", "--json"]).ok().stdout).expect("a document");
    assert_eq!(ports["ports"][0]["host_port"].to_string(), published.rsplit(':').next().unwrap_or_default());
    assert_eq!(ports["ports"][1]["host_port"], Value::Null);
    let url = format!("http://{published}/\n");
    assert_eq!(sandbox.moat(&["open", "--print"]).ok().stdout, url);
    let mut open = sandbox.moat(&["open", "-p", "80"]);
    open.command.env("BROWSER", "false");
    let refused = open.run();
    assert_eq!((refused.code, refused.stdout.as_str()), (1, url.as_str()), "{refused}");
    expect![[r#"
        exit 1
        == stderr
        error: `builder` does not publish port 81 on the host
          = help: `moat ports` lists the ports; `ports` in the spec publishes them
    "#]]
    .assert_eq(&sandbox.moat(&["open", "-p", "81"]).transcript());
}

#[test]
fn a_command_for_scripts_and_a_shell() {
    let sandbox = Sandbox::applied(PLAIN);
    let ran = sandbox.moat(&["exec", "--json", "-e", "A=b", "--", "sh", "-c", "echo $A; echo no >&2; exit 3"]).run();
    assert_eq!(ran.code, 3);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!(document, serde_json::json!({ "exit_code": 3, "stdout": "b\n", "stderr": "no\n" }));
    let ran = sandbox.moat(&["shell", "-w", "/tmp"]).input("pwd\nexit 7\n").run();
    assert_eq!((ran.code, ran.stdout.as_str()), (7, "/tmp\n"), "{ran}");
    // A script in place of a user.
    let ran = sandbox.moat(&["shell", "--json", "-w", "/tmp"]).input("pwd\necho \"it's $0\" >&2\nexit 7\n").run();
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!(document["exit_code"], 7, "{ran}");
    assert_eq!((ran.code, &document["stdout"]), (7, &"/tmp\n".into()), "{ran}");
    let long = sandbox.moat(&["shell", "--json"]).input("#".repeat(200_000)).run();
    assert!(long.code == 64 && long.stderr.contains("larger than 120 KiB"), "{long}");
}

#[test]
fn detach_keys_leave_a_shell_running() {
    let sandbox = Sandbox::applied(PLAIN);
    let moat = testkit::moat_binary();
    let mut command = std::process::Command::new("script");
    let script = format!("stty rows 24 cols 80; '{moat}' shell --detach-keys ctrl-p,q");
    command.args(["-qec", &script, "/dev/null"]).current_dir(sandbox.path());
    command.env("DOCKER_HOST", &engine().host).env("HOME", sandbox.home());
    let ran = testkit::run::run(command, b"sleep 777\n\x10q");
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stdout.contains("detached; the command keeps running"), "{ran}");
    assert!(until(|| sandbox.docker_exec("main", &["ps"]).contains("sleep 777")), "it goes on");
}

#[test]
fn the_cache_grows_and_is_pruned() {
    let sandbox = Sandbox::applied(DIND);
    let cache =
        || -> Value { serde_json::from_str(&sandbox.moat(&["cache", "--json"]).ok().stdout).expect("a document") };
    assert_eq!(cache()["cache_bytes"], 0);
    sandbox.sh_ok("printf 'FROM busybox\\nRUN head -c 3000000 /dev/zero >/x\\n' | docker build -q -");
    let full = cache()["cache_bytes"].as_u64().expect("a number");
    assert!(full > 3_000_000, "{full}");
    let pruned: Value =
        serde_json::from_str(&sandbox.moat(&["cache", "--prune", "--json"]).ok().stdout).expect("a document");
    assert_eq!((&pruned["cache_bytes"], pruned["freed_bytes"].as_u64()), (&0.into(), Some(full)));
    expect![[r#"
        exit 0
        == stdout
        0 B in volume moat-R-buildkit-cache
    "#]]
    .assert_eq(&sandbox.moat(&["cache"]).transcript());
    let plain = Sandbox::applied(PLAIN);
    expect![[r#"
        exit 1
        == stderr
        error: `builder` has no builder
          = help: `docker:dind` under `dependencies` adds one
    "#]]
    .assert_eq(&plain.moat(&["cache"]).transcript().replace("`b` has", "`builder` has"));
}

#[test]
fn a_graph_in_every_form() {
    let sandbox = Sandbox::applied(PLAIN);
    expect![[r#"
        exit 0
        == stdout
        builder: ready
          image  busybox  present
          network/agent  moat-R  present
          container/main  moat-R  running, ready
            ├─ image busybox
            └─ network/agent
    "#]]
    .assert_eq(&sandbox.moat(&["graph"]).transcript());
    expect![[r##"
        exit 0
        == stdout
        digraph moat {
          label="builder: ready"
          labelloc=t
          rankdir=LR
          node [fontname="sans-serif", fontsize=11, style=filled]
          edge [fontname="sans-serif", fontsize=9]
          n0 [shape=note, fillcolor="#dcfce7", label="image\nbusybox\npresent"]
          n1 [shape=hexagon, fillcolor="#dcfce7", label="network/agent\nmoat-R\npresent"]
          n2 [shape=box3d, fillcolor="#dcfce7", label="container/main\nmoat-R\nrunning, ready"]
          n0 -> n2
          n1 -> n2
        }
    "##]]
    .assert_eq(&sandbox.moat(&["graph", "--format", "dot"]).transcript());
    expect![[r##"
        exit 0
        == stdout
        ---
        title: "builder: ready"
        ---
        flowchart LR
          n0>"image<br/>busybox<br/>present"]:::good
          n1{{"network/agent<br/>moat-R<br/>present"}}:::good
          n2[["container/main<br/>moat-R<br/>running, ready"]]:::good
          n0 --> n2
          n1 --> n2
          classDef good fill:#dcfce7,color:#111
          classDef care fill:#fef3c7,color:#111
          classDef bad fill:#fee2e2,color:#111
    "##]]
    .assert_eq(&sandbox.moat(&["graph", "--format", "mermaid"]).transcript());
    let svg = sandbox.moat(&["graph", "--format", "svg"]).ok().stdout;
    assert!(
        svg.starts_with("<svg ") && svg.matches("<rect ").count() == 4 && svg.matches("<path d=\"M").count() == 3,
        "{svg}"
    );
    let json: Value = serde_json::from_str(&sandbox.moat(&["graph", "--json"]).ok().stdout).expect("a document");
    assert_eq!((json["nodes"].as_array().map(Vec::len), json["edges"].as_array().map(Vec::len)), (Some(3), Some(2)));
    sandbox.rewrite("image: busybox\nenv: { A: b }\n");
    expect![[r#"
        exit 0
        == stdout
        builder: 6 to do
          1. create container  moat-R.next1  changed
          2. start container  moat-R.next1  changed
            └─ 1. create container
          3. await container  moat-R.next1  changed
            └─ 2. start container
          4. stop container  moat-R  superseded
            └─ 3. await container
          5. remove container  moat-R  superseded
            ├─ 3. await container
            └─ 4. stop container
          6. rename container  moat-R  misnamed
            └─ 5. remove container
    "#]]
    .assert_eq(&sandbox.moat(&["graph", "--plan"]).transcript());
}

#[test]
fn doctor_checks_the_engine_and_the_sandbox() {
    let sandbox = Sandbox::applied(DIND);
    let document: Value = serde_json::from_str(&sandbox.moat(&["doctor", "--json"]).ok().stdout).expect("a document");
    let checks = document["checks"].as_array().expect("a list");
    let names: Vec<&str> = checks.iter().filter_map(|it| it["check"].as_str()).collect();
    let all = [
        "engine",
        "version",
        "privileged",
        "kernel",
        "namespaces",
        "subuids",
        "delegation",
        "cgroup",
        "limits",
        "storage",
        "logs",
        "ports",
        "forwarding",
        "names",
        "policy",
        "addresses",
        "inner",
        "credentials",
        "disk",
        "clock",
        "buildx",
        "compose",
    ];
    assert_eq!(names, all);
    let verdict = |name: &str| &checks[all.iter().position(|it| *it == name).expect("a check")];
    let good = [
        "engine",
        "version",
        "privileged",
        "kernel",
        "namespaces",
        "subuids",
        "delegation",
        "limits",
        "storage",
        "logs",
        "names",
        "addresses",
        "credentials",
        "clock",
        "buildx",
        "compose",
    ];
    for name in good {
        assert_eq!(verdict(name)["verdict"], "good", "{document:#}");
    }
    let version = engine().docker(&["version", "--format", "{{.Server.Version}}"]);
    assert!(verdict("version")["found"].as_str().is_some_and(|found| found.starts_with(&version)), "{document:#}");
    let mut nowhere = sandbox.moat(&["doctor"]).docker_host("unix:///nowhere.sock");
    nowhere.command.env("NO_COLOR", "1");
    expect![[r#"
        exit 1
        == stdout
        bad  engine  cannot use docker at `unix:///nowhere.sock` (from DOCKER_HOST): no such file or directory
                      -> start Docker, or set its address with --host or DOCKER_HOST

        Sandboxes cannot start on this engine: fix 1 problem.
    "#]]
    .assert_eq(&nowhere.transcript());
}

#[test]
fn doctor_skips_checks_that_a_sandbox_does_not_need() {
    let sandbox = Sandbox::applied(PLAIN);
    let text = sandbox.moat(&["doctor"]).ok().stdout;
    assert!(!text.contains("buildx") && !text.contains("compose"), "{text}");
    // Nor without a sandbox.
    std::fs::remove_file(sandbox.path().join("agent.yaml")).expect("a file");
    let text = sandbox.moat(&["doctor"]).ok().stdout;
    assert!(!text.contains("buildx") && text.contains("credentials"), "{text}");
}

#[test]
fn an_unreadable_docker_configuration_is_reported() {
    let sandbox = Sandbox::new("image: 10.213.213.1:5000/lab/none:1\n");
    let folder = sandbox.home().join(".docker");
    std::fs::create_dir(&folder).expect("a folder");
    for (text, problem) in [
        ("{\"auths\": {},\n}\n", ".docker/config.json` is not JSON (line 2, column 1)"),
        ("{\"auths\": []}\n", "`auths` in `"),
        ("{\"credsStore\": \"nowhere\"}\n", "`docker-credential-nowhere`, named in `"),
    ] {
        std::fs::write(folder.join("config.json"), text).expect("a file");
        let doctor = sandbox.moat(&["doctor"]).run().stdout;
        let line = doctor.lines().find(|line| line.contains("credentials")).unwrap_or_default();
        assert!(line.starts_with("care") && line.contains(problem), "{doctor}");
        let ran = sandbox.moat(&["apply"]).run();
        let help = ran.stderr.lines().find(|line| line.contains("no credentials were sent")).unwrap_or_default();
        assert!(ran.code == 1 && help.contains(problem), "{ran}");
        assert!(ran.stderr.contains("warning: images are pulled without credentials: "), "{ran}");
    }
    // No warning if no credentials are needed.
    sandbox.rewrite(PLAIN);
    engine().docker(&["pull", "--quiet", "busybox"]);
    let ran = sandbox.apply();
    assert!(!ran.stderr.contains("credentials"), "{ran}");
}

#[test]
fn events_are_streamed() {
    let sandbox = Sandbox::applied(PLAIN);
    let listener = Running::start(&sandbox, &["events", "--json", "--since", "1h"]);
    let events = |out: &str| -> Vec<String> {
        let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
        lines
            .map(|it| format!("{} {}", it["event"].as_str().unwrap_or("?"), it["kind"].as_str().unwrap_or("?")))
            .collect()
    };
    listener.wrote(|out| events(out).contains(&"started container".to_owned()));
    engine().docker(&["kill", &sandbox.main()]);
    listener.wrote(|out| events(out).contains(&"died container".to_owned()));
    let out = listener.out();
    assert!(out.lines().all(|line| line.contains(&sandbox.run_id())), "{out}");
}

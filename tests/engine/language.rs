//! The keys of `agent.yaml`, as used in the examples: the effect of each, checked from inside or with docker.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use expect_test::expect;
use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::Sandbox;

/// A copy of a folder in `examples/`, with a unique agent name.
pub fn example(name: &str, change: impl Fn(&str) -> String) -> Sandbox {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let text = fs::read_to_string(folder.join("agent.yaml")).expect("an example");
    let agent = format!("\nagent: {name}\n");
    let sandbox = Sandbox::new(&change(&text.replace(&agent, "\n")));
    copy(&folder, sandbox.path());
    // The user in the container needs access.
    fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o755)).expect("a folder of ours");
    sandbox
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else if !target.exists() {
            fs::copy(entry.path(), target).expect("a file");
        }
    }
}

/// An unused port of the Docker host: the last one that the engine assigned, which it does not assign again soon.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("e2e-{:x}-port-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    engine().docker(&["run", "-d", "--name", &name, "-p", "127.0.0.1::80", "busybox", "sleep", "60"]);
    let address = engine().docker(&["port", &name, "80"]);
    engine().docker(&["rm", "-f", &name]);
    address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

/// The `container` example, with a unique subnet and port.
fn container() -> Sandbox {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let port = free_port().to_string();
    let nth = NEXT.fetch_add(16, Ordering::Relaxed);
    let subnet = format!("10.{}.{}.{nth}/28", 200 + std::process::id() % 50, std::process::id() % 251);
    example("container", |text| text.replace("10.201.7.0/28", &subnet).replace("18443", &port))
}

/// The response of a server on the Docker host.
fn get(port: u16, path: &str) -> String {
    let url = format!("http://127.0.0.1:{port}{path}");
    engine().docker(&["run", "--rm", "--network", "host", "busybox", "wget", "-q", "-O", "-", &url])
}

fn web(sandbox: &Sandbox) -> u16 {
    let ports = &sandbox.status()["ports"];
    let port = ports.as_array().and_then(|ports| ports.iter().find(|port| port["name"] == "web"));
    let port = port.unwrap_or_else(|| panic!("no port called web: {ports}"));
    u16::try_from(port["host"].as_u64().expect("a number")).expect("a port")
}

/// Another process with a port of this machine.
fn holder(port: u16) -> Sandbox {
    Sandbox::applied(&format!("image: busybox\nports: ['{port}:1']\n"))
}

#[test]
fn every_key_of_the_container_has_its_effect() {
    let sandbox = container();
    sandbox.apply();
    sandbox.assert_ready();
    let facts = [
        ("id", "echo $(id -u):$(id -g) $PWD $COLOUR $(ulimit -Sn):$(ulimit -Hn)"),
        ("workspace", "ls /workspace | tr '\\n' ' '; cat /workspace/log/started"),
        ("read-only", "cat /data/file; touch /data/file 2>&1 || :"),
        ("excluded", "ls -A /scratch/private; touch /scratch/private/own && ls /scratch/private"),
        ("volumes", "awk '$2 ~ /^.var/ {print $2}' /proc/mounts | sort"),
        ("hosts", "grep db.test /etc/hosts | tr '\\t' ' '"),
        ("shm", "df -m /dev/shm | awk 'NR > 1 {print $2}'"),
        (
            "limits",
            // cgroup v2, or v1.
            "cd /sys/fs/cgroup; cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes; \
             cut -d' ' -f1 cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us; cat pids.max 2>/dev/null || cat pids/pids.max",
        ),
    ];
    let seen: Vec<String> = facts.iter().map(|(name, script)| format!("{name}: {}\n", sandbox.sh_ok(script))).collect();
    expect![[r#"
        id: 1000:1000 /workspace blue 1024:4096
        workspace: index.html log serving
        read-only: seen
        touch: /data/file: Read-only file system
        excluded: own
        volumes: /var/cache/app
        /var/lib/app
        hosts: 10.0.0.7 db.test
        shm: 32
        limits: 268435456
        150000
        200
    "#]]
    .assert_eq(&seen.concat());
    assert!(!sandbox.path().join("site/log/started").exists(), "an excluded folder is not this machine's");

    let inspected = sandbox.inspect(
        "main",
        "{{.Config.Tty}} {{.Config.OpenStdin}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Dns}} \
         {{index .Config.Labels \"com.example.team\"}} {{.Config.Healthcheck.Interval}} {{.Config.Healthcheck.Timeout}} \
         {{.Config.Healthcheck.StartPeriod}} {{.Config.Healthcheck.Retries}} {{.Config.Entrypoint}}",
    );
    assert_eq!(inspected, "true true on-failure [10.0.0.53] blue 10000000000 5000000000 30000000000 2 [sh -c]");
    assert_eq!(get(web(&sandbox), "/index.html"), "hello");
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);

    sandbox.moat(&["destroy"]).ok();
    let kept: Vec<String> = sandbox.volumes().iter().map(|name| sandbox.plain(name)).collect();
    assert_eq!(kept.concat(), "moat-R-cache\nmoat-R-state\n");
}

#[test]
fn limits_and_restart_change_in_place_and_a_replacement_keeps_its_port() {
    let sandbox = container();
    sandbox.apply();
    let text = || fs::read_to_string(sandbox.path().join("agent.yaml")).expect("a spec");
    let rewrite = |from: &str, to: &str| {
        let text = text();
        assert!(text.contains(from), "{from}");
        fs::write(sandbox.path().join("agent.yaml"), text.replace(from, to)).expect("written");
    };
    let life = || sandbox.inspect("main", "{{.Id}} {{.State.StartedAt}}");
    let limits = || {
        sandbox.inspect(
            "main",
            "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}",
        )
    };
    let (port, before) = (web(&sandbox), life());
    assert!(until(|| sandbox.inspect("main", "{{.State.Health.Status}}") == "healthy"));

    rewrite("memory: 256m\n  cpus: 1.5\n  pids: 200", "memory: 512m\n  cpus: 2\n  pids: 300");
    rewrite("restart: on-failure", "restart: always");
    expect![[r#"
        exit 0
        == stdout
        1.  update container moat-R: changed
            limits.memory "256m" -> "512m"
            limits.cpus "1.5" -> "2"
            limits.pids 200 -> 300
            restart "on-failure" -> "always"

        Plan: 1 to do (1 update)

        Not approved: it asks for more than was approved
          + limit cpus: 1500000000 -> 2000000000
          + limit memory: 268435456 -> 536870912
          + limit pids: 200 -> 300
        Approve with: moat apply --approve ID
    "#]]
    .assert_eq(&sandbox.moat(&["plan"]).transcript());
    sandbox.apply();
    assert_eq!(limits(), "536870912 2000000000 300 always");
    assert_eq!(life(), before, "it was not even restarted");
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);

    // Reverted: the labels have the values of the creation, the engine the current ones.
    rewrite("memory: 512m\n  cpus: 2\n  pids: 300", "memory: 256m\n  cpus: 1.5\n  pids: 200");
    sandbox.apply();
    assert_eq!(limits(), "268435456 1500000000 200 always");
    assert_eq!(life(), before);
    // Changes by other clients are reverted too.
    engine().docker(&["update", "--pids-limit", "50", &sandbox.main()]);
    sandbox.apply();
    assert_eq!(limits(), "268435456 1500000000 200 always");

    rewrite("COLOUR: blue", "COLOUR: red");
    sandbox.apply();
    assert_ne!(life(), before);
    assert_eq!((web(&sandbox), sandbox.sh_ok("echo $COLOUR").as_str()), (port, "red"));
    assert_eq!(limits(), "268435456 1500000000 200 always");
}

#[test]
fn an_automatic_port_taken_meanwhile_is_replaced() {
    let sandbox = Sandbox::new("image: busybox\nports: {web: 80}\n");
    sandbox.apply();
    let port = web(&sandbox);
    engine().docker(&["stop", "-t", "1", &sandbox.main()]);
    let _other = holder(port);
    sandbox.apply();
    assert_ne!(web(&sandbox), port);
    sandbox.assert_ready();
}

#[test]
fn an_explicit_port_in_use_is_reported() {
    let port = free_port();
    let _other = holder(port);
    let sandbox = Sandbox::new(&format!("image: busybox\nports: ['{port}:80']\n"));
    let reported = sandbox.moat(&["apply", "--quiet"]).transcript().replace(&port.to_string(), "PORT");
    assert!(reported.contains("uses the port"), "{reported}");
    assert_eq!(sandbox.find("main"), None, "a first apply is undone");
}

#[test]
fn the_spec_may_be_named_moat_yaml() {
    let sandbox = Sandbox::new("image: busybox\n");
    let from = sandbox.path().join("agent.yaml");
    fs::rename(from, sandbox.path().join("moat.yaml")).expect("renamed");
    let ran = sandbox.moat(&["plan"]).ok();
    assert!(ran.stdout.contains("create network"), "{ran}");
}

/// All data of a sandbox on the engine, except its containers' environments.
fn engine_data(sandbox: &Sandbox) -> String {
    let main = sandbox.main();
    let format = "{{json .Config.Labels}} {{json .HostConfig}} {{json .State}} {{json .Name}}";
    let filter = format!("label=moat.agent={}", sandbox.agent);
    [
        engine().docker(&["inspect", "--format", format, &main]),
        engine().docker(&["logs", &main]),
        engine().docker(&["volume", "ls", "--filter", &filter, "--format", "{{.Labels}}"]),
        engine().docker(&["network", "ls", "--filter", &filter, "--format", "{{.Labels}}"]),
    ]
    .join("\n")
}

#[test]
fn a_secret_is_in_the_container_and_nowhere_else() {
    let sandbox = example("secrets", str::to_owned);
    fs::write(sandbox.path().join("token"), "hunter2-file\n").expect("written");
    fs::write(sandbox.path().join("app.env"), "FROM_FILE=hunter2-env\n").expect("written");
    let state = tempfile::tempdir().expect("a folder");
    let moat = |args: &[&str]| {
        let mut moat = sandbox.moat(args);
        moat.command.env("GREETING", "hunter2-variable").env("MOAT_STATE_DIR", state.path()).env("MOAT_LOG", "trace");
        moat
    };
    let mut reported = String::new();
    for args in [
        &["plan"][..],
        &["plan", "--json"],
        &["apply", "--json", "-vv"],
        &["status", "--json"],
        &["apply", "-vv"],
        &["list", "--json"],
    ] {
        reported.push_str(&moat(args).ok().to_string());
    }
    let inside = "echo $PLAIN $SHARED $GREETING $FROM_FILE $TOKEN $PASSWORD";
    let seen = moat(&["exec", "--", "sh", "-c", inside]).ok().stdout;
    assert_eq!(seen, "shown from-base hunter2-variable hunter2-env hunter2-file from-a-command\n");
    assert_eq!(sandbox.inspect("main", "{{index .Config.Labels \"com.example.shared\"}}"), "yes");

    // A changed value is detected by its digest, and replaces the container.
    assert_eq!(moat(&["plan", "--detailed-exitcode"]).run().code, 0);
    fs::write(sandbox.path().join("token"), "hunter2-other\n").expect("written");
    let plan = moat(&["plan"]).ok().stdout;
    assert!(plan.contains("    secrets.TOKEN \"hmac:"), "{plan}");
    reported.push_str(&plan);
    reported.push_str(&moat(&["apply", "-vv"]).ok().to_string());
    reported.push_str(&engine_data(&sandbox));
    for entry in walk(state.path()) {
        reported.push_str(&String::from_utf8_lossy(&fs::read(entry).expect("a file")));
    }
    assert!(reported.contains("moat.config"), "the labels are covered");
    for value in ["hunter2", "from-a-command"] {
        let line = reported.lines().find(|line| line.contains(value));
        assert_eq!(line, None, "{value}");
    }
    // Without the secrets, destroy still works.
    fs::remove_file(sandbox.path().join("token")).expect("removed");
    moat(&["destroy", "--volumes", "--yes"]).ok();
}

pub fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn agents_of_one_file_are_separate_sandboxes() {
    let sandbox =
        example("several", |text| text.replace("agent: writer", "").replace("agent: reader", "agent: READER"));
    let (first, second) = (sandbox.agent.clone(), format!("{}-r", sandbox.agent));
    let file = sandbox.path().join("agent.yaml");
    let text = fs::read_to_string(&file).expect("a spec").replace("READER", &second);
    fs::write(file, text).expect("written");
    let applied = sandbox.apply();
    for agent in [&first, &second] {
        assert!(applied.stderr.contains(&format!("next: moat exec {agent} -- ")), "{applied}");
    }
    let role = |agent: &str| {
        let ran = sandbox.moat(&["exec", agent, "--", "sh", "-c", "echo $ROLE"]).ok();
        ran.stdout.trim().to_owned()
    };
    assert_eq!((role(&first).as_str(), role(&second).as_str()), ("writes", "reads"));
    let reported = sandbox.moat(&["exec", "--", "true"]).run();
    assert!(reported.code == 65 && reported.stderr.contains("has several agents"), "{reported}");
    sandbox.moat(&["destroy"]).ok();
}

#[test]
fn the_sidecar_follows_the_spec() {
    let sandbox = example("buildkit", str::to_owned);
    sandbox.apply();
    let sidecar = sandbox.inspect(
        "buildkit",
        "{{.Config.Image}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}",
    );
    assert_eq!(sidecar, "moby/buildkit:latest 2147483648 1500000000 2000");
    let config = sandbox.docker_exec("buildkit", &["cat", "/etc/buildkit/buildkitd.toml"]);
    assert!(config.contains("maxUsedSpace = \"6442450944\""), "{config}");
    assert_eq!(sandbox.sh_ok("pwd; ls -A; echo kept >file"), "/workspace");

    // In place, since it has limits; main is unchanged.
    let file = sandbox.path().join("agent.yaml");
    let text = fs::read_to_string(&file).expect("a spec");
    let life = || [sandbox.inspect("buildkit", "{{.Id}} {{.State.StartedAt}}"), sandbox.main()];
    let before = life();
    fs::write(&file, text.replace("memory: 2g", "memory: 3g")).expect("written");
    sandbox.apply();
    assert_eq!(sandbox.inspect("buildkit", "{{.HostConfig.Memory}}"), "3221225472");
    assert_eq!(life(), before);

    // With a custom configuration the sidecar is replaced, and builds still reach it.
    let own = fs::read_to_string(sandbox.path().join("own-config.yaml")).expect("a spec");
    let own = own.replace("agent: own-config", &format!("agent: {}", sandbox.agent));
    fs::write(&file, own).expect("written");
    sandbox.apply();
    let config = sandbox.docker_exec("buildkit", &["cat", "/etc/buildkit/buildkitd.toml"]);
    assert!(config.contains("maxUsedSpace = \"5GB\"") && config.contains("reservedSpace = \"2GB\""), "{config}");
    assert_eq!(sandbox.status()["builds"]["routed"], true);
    sandbox.moat(&["destroy"]).ok();
    let kept: Vec<String> = sandbox.volumes().iter().map(|name| sandbox.plain(name)).collect();
    assert_eq!(
        kept.concat(),
        "moat-R-buildkit-cache\nmoat-R-workspace\n",
        "the cache is kept where nothing else is said"
    );
}

#[test]
fn why_shows_the_difference_and_its_time() {
    let sandbox = Sandbox::applied("image: busybox\nenv: {COLOUR: red}\n");
    let why = |args: &[&str]| {
        let reported = sandbox.moat(&[&["why"], args].concat()).transcript();
        // The time varies.
        reported
            .lines()
            .map(|line| line.split(", created at").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n")
    };
    expect![[r#"
        exit 0
        == stdout
        image/busybox: in sync
        network/agent: in sync
        container/main: in sync"#]]
    .assert_eq(&why(&[]));
    sandbox.rewrite("image: busybox\nenv: {COLOUR: blue}\n");
    expect![[r#"
        exit 0
        == stdout
        container/main: out of sync
            env.COLOUR "red" -> "blue""#]]
    .assert_eq(&why(&["main"]));
    expect![[r#"
        exit 64
        == stderr
        error: the sandbox has no resource `container/nobody`
          = help: its resources: `image/busybox`, `network/agent`, `container/main`"#]]
    .assert_eq(&why(&["container/nobody"]));
    let json = sandbox.moat(&["why", "main", "--json"]).ok().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let found = &json["resources"][0];
    assert_eq!((&found["cause"], &found["diffs"][0]["old"]), (&"changed".into(), &"red".into()), "{json:#}");
    assert!(found["since"].as_str().is_some_and(|since| since.starts_with("20") && since.ends_with('Z')), "{json:#}");
}

/// A volume that the spec no longer has keeps its data, and every answer says so.
#[test]
fn a_volume_that_is_no_longer_in_the_spec_is_named_as_kept() {
    let sandbox = Sandbox::applied("image: busybox\nvolumes: ['old:/old', 'new:/new']\n");
    let json =
        |args: &[&str]| -> serde_json::Value { serde_json::from_str(&sandbox.moat(args).ok().stdout).expect("JSON") };
    let name = format!("moat-{}-old", sandbox.run_id());
    assert_eq!(json(&["plan", "--json"])["kept"], serde_json::json!([]));
    sandbox.rewrite("image: busybox\nvolumes: ['new:/new']\n");
    let line =
        format!("Kept: volume {name} is no longer in the spec; `docker volume rm {name}` deletes it and its data\n");
    for _ in 0..2 {
        let text = sandbox.moat(&["plan"]).ok().stdout;
        assert!(text.ends_with(&line), "{text}");
        assert_eq!(json(&["plan", "--json"])["kept"], serde_json::json!([name]));
        sandbox.apply();
    }
    let status = json(&["status", "--json"]);
    let all = status["resources"].as_array().expect("a list");
    let state = |name: &str| all.iter().find(|it| it["resource"] == name).map(|it| it["state"].clone());
    assert_eq!(state("volume/old"), Some("kept".into()), "{status:#}");
    assert_eq!(state("volume/new"), Some("present".into()), "{status:#}");
    assert_eq!(status["state"], "ready");
    // The command does what it says.
    engine().docker(&["volume", "rm", &name]);
    assert_eq!(json(&["plan", "--json"])["kept"], serde_json::json!([]));
}

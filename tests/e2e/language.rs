//! The keys of `agent.yaml`, as the examples use them: each has its effect, seen from inside or with docker's client.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use expect_test::expect;

use crate::engine::engine;
use crate::run::until;
use crate::sandbox::Sandbox;

/// A folder of `examples/`, copied to a place where its agent has a name of its own.
fn example(name: &str, change: impl Fn(&str) -> String) -> Sandbox {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let text = fs::read_to_string(folder.join("agent.yaml")).expect("an example");
    let agent = format!("\nagent: {name}\n");
    assert!(text.contains(&agent), "{name}: the agent is called as its folder is");
    let sandbox = Sandbox::new(&change(&text.replace(&agent, "\n")));
    copy(&folder, sandbox.path());
    // Whoever works in the container has to get there.
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

/// A port of this machine that nobody uses.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr()).expect("a socket").port()
}

/// The `container` example, on addresses and a port that no other test has.
fn container() -> Sandbox {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let port = free_port().to_string();
    let nth = NEXT.fetch_add(16, Ordering::Relaxed);
    let subnet = format!("10.{}.{}.{nth}/28", 200 + std::process::id() % 50, std::process::id() % 251);
    example("container", |text| text.replace("10.201.7.0/28", &subnet).replace("18443", &port))
}

/// What a server on the engine's machine gives, which need not be this one.
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

/// Somebody else, who has a port of this machine.
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
            // cgroup v2, or else v1.
            "cd /sys/fs/cgroup; cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes; \
             cut -d' ' -f1 cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us; cat pids.max 2>/dev/null || cat pids/pids.max",
        ),
    ];
    let seen: Vec<String> = facts.iter().map(|(name, script)| format!("{name}: {}\n", sandbox.sh_ok(script))).collect();
    expect![[r#"
        id: 1000:1000 /workspace blue 1024:4096
        workspace: agent.yaml data log serving
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
    assert!(!sandbox.path().join("log/started").exists(), "an excluded folder is not this machine's");

    let inspected = sandbox.inspect(
        "main",
        "{{.Config.Tty}} {{.Config.OpenStdin}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Dns}} \
         {{index .Config.Labels \"com.example.team\"}} {{.Config.Healthcheck.Interval}} {{.Config.Healthcheck.Timeout}} \
         {{.Config.Healthcheck.StartPeriod}} {{.Config.Healthcheck.Retries}} {{.Config.Entrypoint}}",
    );
    assert_eq!(inspected, "true true on-failure [10.0.0.53] blue 10000000000 5000000000 30000000000 2 [sh -c]");
    assert_eq!(get(web(&sandbox), "/data/file"), "seen");
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
    "#]]
    .assert_eq(&sandbox.moat(&["plan"]).told());
    sandbox.apply();
    assert_eq!(limits(), "536870912 2000000000 300 always");
    assert_eq!(life(), before, "it was not even restarted");
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);

    // Back again: the labels say what it was created with, the engine what it is now.
    rewrite("memory: 512m\n  cpus: 2\n  pids: 300", "memory: 256m\n  cpus: 1.5\n  pids: 200");
    sandbox.apply();
    assert_eq!(limits(), "268435456 1500000000 200 always");
    assert_eq!(life(), before);
    // What somebody else has changed is changed back too.
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
fn a_free_port_that_is_taken_meanwhile_is_left_to_whoever_has_it() {
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
fn a_port_that_was_asked_for_and_is_taken_is_told() {
    let port = free_port();
    let _other = holder(port);
    let sandbox = Sandbox::new(&format!("image: busybox\nports: ['{port}:80']\n"));
    let told = sandbox.moat(&["apply", "--quiet"]).told().replace(&port.to_string(), "PORT");
    assert!(told.contains("see by whom with `ss -ltnp`"), "{told}");
    assert_eq!(sandbox.find("main"), None, "a first apply is undone");
}

#[test]
fn the_file_may_be_called_moat_yaml() {
    let sandbox = Sandbox::new("image: busybox\n");
    let from = sandbox.path().join("agent.yaml");
    fs::rename(from, sandbox.path().join("moat.yaml")).expect("renamed");
    let ran = sandbox.moat(&["plan"]).ok();
    assert!(ran.stdout.contains("create network"), "{ran}");
}

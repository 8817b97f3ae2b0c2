//! The effect of a change of each key on a real engine: the table of `docs/reference/agent.md`.
//!
//! The cases are those of the planner tests in `tests/sim/plan`. All keys except one can be tested here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use testkit::effects::{Becomes, OF_THE_AGENT_PLANE, Step};
use testkit::engine::engine;
use testkit::run::Ran;
use testkit::sandbox::Sandbox;

/// One test for each top-level key, so that several run concurrently.
macro_rules! sections {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            walk(stringify!($name));
        })*

        const SECTIONS: &[&str] = &[$(stringify!($name)),*];
    };
}

sections! {
    agent extends version image platform build base_image dependencies command entrypoint user workdir interactive restart
    hostname init stop_timeout read_only tmpfs cap_add cap_drop devices isolation workspace env env_file secrets mounts volumes ports container network healthcheck hooks services buildkit registries labels
}

/// The steps of the keys that are tested here.
fn steps() -> Vec<Step> {
    let mut steps = testkit::effects::steps();
    steps.retain(|step| !OF_THE_AGENT_PLANE.contains(&step.key));
    steps
}

#[test]
fn every_key_has_a_case() {
    let of_keys: BTreeSet<&str> = steps().iter().map(|step| section(step.key)).filter(|it| *it != NO_GPU).collect();
    assert_eq!(SECTIONS.iter().copied().collect::<BTreeSet<_>>(), of_keys);
    let is_seen = |step: &Step| !matches!(step.becomes, Becomes::Nothing | Becomes::Another) && step.key != NO_GPU;
    let seen: BTreeSet<&str> = steps().iter().filter(|step| is_seen(step)).map(|step| step.key).collect();
    let looked_at = SHOWN.iter().map(|(key, ..)| *key).chain(INSIDE.iter().map(|(key, _)| *key));
    assert_eq!(looked_at.collect::<BTreeSet<_>>(), seen, "each is looked at, here or elsewhere");
}

/// Needs a GPU, which the test engines lack. `container_body` tests the request, the planner tests the effect.
const NO_GPU: &str = "gpus";

/// The files of the cases, beside the spec.
const FILES: &[(&str, &str)] = &[
    ("Dockerfile", "FROM busybox AS dev\nARG A\nENV A=$A STAGE=dev\nFROM dev AS last\nENV STAGE=last\n"),
    ("one/Dockerfile", "FROM busybox\nENV FROM=one\n"),
    ("two/Dockerfile", "FROM busybox\nENV FROM=two\n"),
    ("one.txt", "FROM busybox\nENV FILE=one\n"),
    ("two.txt", "FROM busybox\nENV FILE=two\n"),
    ("one.env", "A=one\n"),
    ("two.env", "A=two\n"),
    ("empty.yaml", "{}\n"),
    // Not a certificate, which Docker ignores.
    ("ca.pem", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
];

/// Text in `docker inspect` of the changed object after the step, and not before.
const SHOWN: &[(&str, &str, &str)] = &[
    ("image", "{{.Config.Image}}", "debian:trixie-slim"),
    ("build", "{{.Config.Env}}", "FROM=one"),
    ("build.context", "{{.Config.Env}}", "FROM=two"),
    ("build.dockerfile", "{{.Config.Env}}", "FILE=two"),
    ("build.target", "{{.Config.Env}}", "STAGE=dev"),
    ("build.args", "{{.Config.Env}}", "A=c"),
    ("dependencies", "{{.HostConfig.Privileged}}", "true"),
    ("command", "{{.Config.Cmd}}", "sleep 2000"),
    ("entrypoint", "{{.Config.Entrypoint}} {{.Config.Cmd}}", "2000"),
    ("user", "{{.Config.User}}", "1000"),
    ("workdir", "{{.Config.WorkingDir}}", "/srv"),
    ("interactive", "{{.Config.Tty}}", "true"),
    ("restart", "{{.HostConfig.RestartPolicy.Name}}", "always"),
    ("hostname", "{{.Config.Hostname}}", "build-1"),
    ("init", "{{.HostConfig.Init}}", "<nil>"),
    ("stop_timeout", "{{.Config.StopTimeout}}", "3"),
    ("read_only", "{{.HostConfig.ReadonlyRootfs}}", "true"),
    ("tmpfs", "{{json .HostConfig.Tmpfs}}", "size=1m"),
    ("cap_add", "{{.HostConfig.CapAdd}}", "SYS_PTRACE"),
    ("cap_drop", "{{.HostConfig.CapDrop}}", "NET_RAW"),
    ("devices", "{{json .HostConfig.Devices}}", r#""/dev/own""#),
    ("isolation", "{{.HostConfig.Privileged}}", "false"),
    ("workspace", "{{json .Mounts}}", r#""/workspace""#),
    ("workspace.path", "{{json .Mounts}}", r#"/two""#),
    ("workspace.target", "{{json .Mounts}}", r#""/b""#),
    ("workspace.mode", "{{json .Mounts}}", r#""volume""#),
    ("workspace.exclude", "{{json .HostConfig}}", r#"/workspace/a""#),
    ("env", "{{.Config.Env}}", "A=b"),
    ("env_file", "{{.Config.Env}}", "A=two"),
    ("secrets", "{{.Config.Env}}", "S=two"),
    ("mounts", "{{json .Mounts}}", r#""/a""#),
    ("mounts.source", "{{json .Mounts}}", r#"/two""#),
    ("mounts.target", "{{json .Mounts}}", r#""/b""#),
    ("mounts.mode", "{{json .Mounts}}", r#""RW":false"#),
    ("mounts.exclude", "{{json .HostConfig}}", r#""/a/x""#),
    ("volumes", "{{json .Mounts}}", r#""/a""#),
    ("volumes.name", "{{json .Mounts}}", r#"-bb""#),
    ("volumes.target", "{{json .Mounts}}", r#""/b""#),
    ("volumes.mode", "{{json .Mounts}}", r#""RW":false"#),
    ("ports", "{{json .HostConfig.PortBindings}}", r#""81/tcp""#),
    ("ports.target", "{{json .HostConfig.PortBindings}}", r#""81/tcp""#),
    ("ports.published", "{{json .HostConfig.PortBindings}}", r#""HostPort":"18081""#),
    ("ports.host_ip", "{{json .HostConfig.PortBindings}}", r#""HostIp":"127.0.0.2""#),
    ("ports.protocol", "{{json .HostConfig.PortBindings}}", r#""80/udp""#),
    ("container", "{{.HostConfig.ShmSize}}", "33554432"),
    ("container.memory", "{{.HostConfig.Memory}}", "1073741824"),
    ("container.cpus", "{{.HostConfig.NanoCpus}}", "1000000000"),
    ("container.pids", "{{.HostConfig.PidsLimit}}", "200"),
    ("container.dns", "{{.HostConfig.Dns}}", "1.1.1.1"),
    ("container.ulimits", "{{json .HostConfig.Ulimits}}", "1024"),
    ("container.runtime", "{{.HostConfig.Runtime}}", "other"),
    ("container.shm", "{{.HostConfig.ShmSize}}", "67108864"),
    ("container.oom_score_adj", "{{.HostConfig.OomScoreAdj}}", "200"),
    ("container.logging", "{{.HostConfig.LogConfig.Type}}", "local"),
    ("container.logging.driver", "{{.HostConfig.LogConfig.Type}}", "local"),
    ("container.logging.options", "{{json .HostConfig.LogConfig}}", r#""max-size":"6m""#),
    ("network", "{{.HostConfig.ExtraHosts}}", "a.b:1.1.1.1"),
    ("network.subnet", "{{json .IPAM.Config}}", r#""10.199.7.0/28""#),
    ("network.internal", "{{.Internal}}", "true"),
    ("network.policy", "{{.Internal}}", "true"),
    ("network.extra_hosts", "{{.HostConfig.ExtraHosts}}", "a.b:1.1.1.1"),
    ("healthcheck", "{{json .Config.Healthcheck}}", r#""ls""#),
    ("healthcheck.command", "{{json .Config.Healthcheck}}", r#""exit 0""#),
    ("healthcheck.interval", "{{json .Config.Healthcheck}}", r#""Interval":1000000000,"#),
    ("healthcheck.timeout", "{{json .Config.Healthcheck}}", r#""Timeout":1000000000,"#),
    ("healthcheck.start_period", "{{json .Config.Healthcheck}}", r#""StartPeriod":1000000000,"#),
    ("healthcheck.retries", "{{json .Config.Healthcheck}}", r#""Retries":1"#),
    ("services", "{{.Config.Image}}", "lab/silent"),
    ("services.image", "{{.Config.Image}}", "redis:7"),
    ("services.env", "{{.Config.Env}}", "A=b"),
    ("services.command", "{{.Config.Cmd}}", "ls"),
    ("services.volumes", "{{json .Mounts}}", r#""/a""#),
    ("services.volumes.name", "{{json .Mounts}}", r#"-bb""#),
    ("services.volumes.target", "{{json .Mounts}}", r#""/b""#),
    ("services.volumes.mode", "{{json .Mounts}}", r#""RW":false"#),
    ("services.resources", "{{.HostConfig.Memory}}", "1073741824"),
    ("services.resources.memory", "{{.HostConfig.Memory}}", "2147483648"),
    ("services.resources.cpus", "{{.HostConfig.NanoCpus}}", "1000000000"),
    ("services.resources.pids", "{{.HostConfig.PidsLimit}}", "2000"),
    ("services.ports", "{{json .HostConfig.PortBindings}}", r#""5432/tcp""#),
    ("services.resources.oom_score_adj", "{{.HostConfig.OomScoreAdj}}", "200"),
    ("services.logging", "{{.HostConfig.LogConfig.Type}}", "local"),
    ("services.logging.driver", "{{.HostConfig.LogConfig.Type}}", "local"),
    ("services.logging.options", "{{json .HostConfig.LogConfig}}", r#""max-size":"6m""#),
    ("services.wait", "{{json .Config.Healthcheck}}", r#""ls""#),
    ("services.wait.command", "{{json .Config.Healthcheck}}", r#""exit 0""#),
    ("buildkit.image", "{{.Config.Image}}", "moby/buildkit:latest"),
    ("buildkit.cache", "{{json .Mounts}}", "buildkit-cache-run"),
    ("buildkit.env", "{{json .Config.Env}}", r#""A=c""#),
    ("buildkit.resources", "{{.HostConfig.Memory}}", "1073741824"),
    ("buildkit.resources.memory", "{{.HostConfig.Memory}}", "2147483648"),
    ("buildkit.resources.cpus", "{{.HostConfig.NanoCpus}}", "1000000000"),
    ("buildkit.resources.pids", "{{.HostConfig.PidsLimit}}", "2000"),
    ("buildkit.resources.oom_score_adj", "{{.HostConfig.OomScoreAdj}}", "200"),
    ("buildkit.logging", "{{.HostConfig.LogConfig.Type}}", "local"),
    ("buildkit.logging.driver", "{{.HostConfig.LogConfig.Type}}", "local"),
    ("buildkit.logging.options", "{{json .HostConfig.LogConfig}}", r#""max-size":"6m""#),
    ("labels", "{{json .Config.Labels}}", r#""a":"c""#),
];

/// Keys whose change is not in a container's configuration, and the test that covers them.
const INSIDE: &[(&str, &str)] = &[
    ("platform", "the image that is run: `platform`"),
    ("services.platform", "the image that is run: `platform`"),
    ("build.secrets", "what a build step reads: `buildkit`"),
    ("base_image", "the image's files: `images`"),
    ("hooks", "the image's files: `images`"),
    ("hooks.post_build_root", "the image's files: `images`"),
    ("hooks.post_build", "the image's files: `images`"),
    ("hooks.pre_run", "what runs before the command: `images`"),
    ("buildkit", "the daemon's own configuration: `language`"),
    ("buildkit.cache_limit", "the daemon's own configuration: `language`"),
    ("buildkit.config", "the daemon's own configuration: `language`"),
    ("network.rules", "the gateway's decisions: `net`"),
    ("network.host", "the gateway's decisions: `net`"),
    ("registries", "files: `registries`"),
    ("registries.mirrors", "files: `registries`"),
    ("registries.ca_certificates", "files: `registries`"),
];

/// The objects by role: the id, and the start time of containers.
type Objects = BTreeMap<String, String>;

const MAIN: &str = "container/main";
const NETWORK: &str = "network/agent";

fn id(of: &str) -> &str {
    of.split(' ').next().unwrap_or_default()
}

fn section(key: &str) -> &str {
    key.split('.').next().unwrap_or(key)
}

/// Runs all steps of a section in one sandbox.
fn walk(of: &str) {
    let sandbox = Sandbox::new("");
    for (path, text) in FILES {
        let path = sandbox.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    let mut images = BTreeSet::new();
    for step in steps().iter().filter(|step| section(step.key) == of) {
        take(&sandbox, step, &mut images);
    }
    // The new containers belong to this run.
    for image in images.iter().filter(|it| it.starts_with("moat/")) {
        engine().try_docker(&["rmi", "-f", image]);
    }
}

fn take(sandbox: &Sandbox, step: &Step, images: &mut BTreeSet<String>) {
    let reported = format!("{}: {}->\n{}", step.key, step.before, step.after);
    let agent = write(sandbox, &step.before);
    moat(sandbox, &["apply", "--approve-all"], 0);
    images.insert(sandbox.inspect("main", "{{.Config.Image}}"));
    let (before, shown) = (objects(&agent), shows(sandbox, step));

    let agent_after = write(sandbox, &step.after);
    let is_nothing = step.becomes == Becomes::Nothing;
    // Even a change without effect may need approval.
    let plan = (!is_nothing).then(|| moat(sandbox, &["plan", "--detailed-exitcode"], 2));
    moat(sandbox, &["apply", "--approve-all"], 0);
    if is_nothing {
        moat(sandbox, &["plan", "--detailed-exitcode"], 0);
    }
    let after = objects(&agent_after);
    if step.becomes == Becomes::Another {
        assert_eq!(objects(&agent), before, "the first one is left alone\n{reported}");
        assert!(after.values().all(|it| !before.values().any(|old| old == it)), "{reported}");
        assert_ne!(run(&agent), run(&agent_after), "{reported}");
    } else {
        images.insert(sandbox.inspect("main", "{{.Config.Image}}"));
        assert!(has_effect(step.becomes, &before, &after), "{reported}{plan:?}\n{before:#?}\n{after:#?}");
    }
    // For a removed limit, the reverse.
    let word = step.key.rsplit('.').next().unwrap_or_default();
    let goes = !step.after.contains(&format!("{word}:"));
    assert_eq!((shown, shows(sandbox, step)), (shown.map(|_| goes), shown.map(|_| !goes)), "{reported}");

    // A second apply is a no-op.
    moat(sandbox, &["plan", "--detailed-exitcode"], 0);
    moat(sandbox, &["apply", "--approve-all"], 0);
    assert_eq!(objects(&agent_after), after, "again\n{reported}");
}

/// Compares the objects before and after the step. The plan shows whether a change is in place, and `docker inspect`
/// which one.
fn has_effect(becomes: Becomes, before: &Objects, after: &Objects) -> bool {
    let is_other = |role: &str| before.get(role).map(|it| id(it)) != after.get(role).map(|it| id(it));
    let untouched = |role: &str| before.get(role) == after.get(role);
    let roles: BTreeSet<&str> = before.keys().chain(after.keys()).map(String::as_str).collect();
    let sidecars: Vec<&str> = roles.iter().copied().filter(|it| !matches!(*it, MAIN | NETWORK)).collect();
    match becomes {
        Becomes::Nothing | Becomes::MainInPlace | Becomes::SidecarInPlace | Becomes::Gateway => before == after,
        // A sidecar in only one of them is created or removed by the change.
        Becomes::Main => {
            let in_both = |it: &&&str| before.contains_key(**it) && after.contains_key(**it);
            is_other(MAIN) && untouched(NETWORK) && sidecars.iter().filter(in_both).all(|it| untouched(it))
        }
        Becomes::MainAndSidecar => is_other(MAIN) && untouched(NETWORK) && sidecars.iter().all(|it| is_other(it)),
        Becomes::Sidecar => untouched(MAIN) && untouched(NETWORK) && sidecars.len() == 1 && is_other(sidecars[0]),
        Becomes::Network => roles.iter().all(|it| is_other(it)),
        Becomes::Another => false,
    }
}

/// Whether the engine shows the effect of the step; `None` if it is not visible there.
fn shows(sandbox: &Sandbox, step: &Step) -> Option<bool> {
    let sidecar = if section(step.key) == "services" { "db" } else { "buildkit" };
    let (_, format, expected) = SHOWN.iter().find(|(key, ..)| *key == step.key)?;
    let shown = match step.becomes {
        Becomes::Network => {
            let filter = format!("label=moat.agent={}", sandbox.agent);
            let of_sandbox = format!("label=moat.resource={NETWORK}");
            let ids = engine().list(&["network", "ls", "-q", "--filter", &filter, "--filter", &of_sandbox]);
            engine().docker(&["network", "inspect", "--format", format, &ids[0]])
        }
        Becomes::SidecarInPlace | Becomes::Sidecar if sandbox.find(sidecar).is_none() => String::new(),
        Becomes::SidecarInPlace | Becomes::Sidecar => sandbox.inspect(sidecar, format),
        _ => sandbox.inspect("main", format),
    };
    Some(shown.contains(expected))
}

/// Writes the spec of a case with this sandbox's name for `a`, and returns the name in it.
fn write(sandbox: &Sandbox, text: &str) -> String {
    let other = format!("{}-b", sandbox.agent);
    let written = text.replace("agent: a\n", &format!("agent: {}\n", sandbox.agent));
    let written = written.replace("agent: b\n", &format!("agent: {other}\n"));
    fs::write(sandbox.path().join("agent.yaml"), &written).expect("a spec");
    if text.contains("agent: b\n") { other } else { sandbox.agent.clone() }
}

fn moat(sandbox: &Sandbox, args: &[&str], code: i32) -> Ran {
    let mut moat = sandbox.moat(args);
    // The secrets of the cases.
    moat.command.env("A", "one").env("B", "two");
    let ran = moat.run();
    assert_eq!(
        ran.code,
        code,
        "{args:?}\n{}\n{ran}",
        fs::read_to_string(sandbox.path().join("agent.yaml")).expect("it")
    );
    ran
}

/// The network and the containers of an agent.
fn objects(agent: &str) -> Objects {
    let filter = format!("label=moat.agent={agent}");
    let inspect = |list: &[&str], inspect: &[&str]| {
        let ids = engine().list(&[list, &["--no-trunc", "--filter", &filter]].concat());
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        assert!(!ids.is_empty(), "{agent} has nothing in {list:?}");
        engine().list(&[inspect, &ids].concat())
    };
    let container = "{{index .Config.Labels \"moat.resource\"}} {{.Id}} {{.State.StartedAt}}";
    let mut lines = inspect(&["ps", "-aq"], &["inspect", "--format", container]);
    let network = "{{index .Labels \"moat.resource\"}} {{.Id}}";
    lines.extend(inspect(&["network", "ls", "-q"], &["network", "inspect", "--format", network]));
    let pairs = lines.iter().filter_map(|line| line.split_once(' '));
    let objects: Objects = pairs.map(|(role, it)| (role.to_owned(), it.to_owned())).collect();
    assert_eq!(objects.len(), lines.len(), "each is there once: {lines:#?}");
    objects
}

/// The run in the labels of an agent's containers.
fn run(agent: &str) -> Vec<String> {
    let filter = format!("label=moat.agent={agent}");
    engine().list(&["ps", "-a", "--filter", &filter, "--format", "{{.Label \"moat.run\"}}"])
}

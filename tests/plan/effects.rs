//! The column of `specs/agent.md` that says what changing a key does: every key is changed, and the plan says the same.

use std::collections::BTreeSet;
use std::path::Path;

use moat::graph::{Graph, Vault, compile_with};
use moat::plan::{Action, Options, Plan, compute};
use moat::resource::{Config, ResourceId, SecretKey};
use moat::spec::surroundings::{NotRun, Unread};
use moat::spec::{Capabilities, Effect, Source, Surroundings, agent, effects, secrets};
use moat::state::{Live, Observed};

use crate::world::{applied, images_only};

/// A sandbox with a sidecar, and one without.
const DIND: &str = "agent: a\nimage: docker:dind\ndependencies: [docker:dind]\n";
const PLAIN: &str = "agent: a\nimage: busybox\n";
/// One whose image is made.
const MADE: &str = "agent: a\nbase_image: debian:13\n";

/// For each key two values, as lines that are added to a spec; none for a key that is not there. The path of a key, the
/// spec, what it was, what it is.
const CHANGES: &[(&str, &str, &str, &str)] = &[
    ("agent", "image: busybox\n", "agent: a", "agent: b"),
    ("extends", PLAIN, "", "extends: empty.yaml"),
    ("version", PLAIN, "version: 1.0.0", "version: 2.0.0"),
    ("image", "agent: a\n", "image: busybox", "image: debian:13"),
    ("build", "agent: a\n", "image: busybox", "build: ./image"),
    ("build.context", "agent: a\n", "build: {context: a}", "build: {context: b}"),
    ("build.dockerfile", "agent: a\n", "build: {dockerfile: a}", "build: {dockerfile: b}"),
    ("build.target", "agent: a\n", "build: {context: .}", "build: {target: dev}"),
    ("build.args", "agent: a\n", "build: {args: {A: b}}", "build: {args: {A: c}}"),
    ("base_image", "agent: a\n", "base_image: debian:12", "base_image: debian:13"),
    ("dependencies", "agent: a\nimage: docker:dind\n", "", "dependencies: [docker:dind]"),
    ("command", PLAIN, "command: sleep 1", "command: sleep 2"),
    ("entrypoint", PLAIN, "entrypoint: [a]", "entrypoint: [b]"),
    ("user", PLAIN, "", "user: node"),
    ("workdir", PLAIN, "", "workdir: /srv"),
    ("interactive", PLAIN, "", "interactive: true"),
    ("restart", PLAIN, "", "restart: always"),
    ("workspace", PLAIN, "", "workspace: ."),
    ("workspace.path", PLAIN, "workspace: {path: a}", "workspace: {path: b}"),
    ("workspace.target", PLAIN, "workspace: {target: /a}", "workspace: {target: /b}"),
    ("workspace.mode", PLAIN, "workspace: {mode: bind}", "workspace: {mode: volume}"),
    ("workspace.exclude", PLAIN, "workspace: .", "workspace: {exclude: [a]}"),
    ("env", PLAIN, "env: {A: a}", "env: {A: b}"),
    ("env_file", PLAIN, "env_file: a.env", "env_file: b.env"),
    ("secrets", PLAIN, "secrets: {S: 'env://A'}", "secrets: {S: 'env://B'}"),
    ("mounts", PLAIN, "", "mounts: ['./a:/a']"),
    ("mounts.source", PLAIN, "mounts: [{source: ./a, target: /a}]", "mounts: [{source: ./b, target: /a}]"),
    ("mounts.target", PLAIN, "mounts: [{source: ./a, target: /a}]", "mounts: [{source: ./a, target: /b}]"),
    ("mounts.mode", PLAIN, "mounts: [{source: ./a, target: /a}]", "mounts: [{source: ./a, target: /a, mode: ro}]"),
    (
        "mounts.exclude",
        PLAIN,
        "mounts: [{source: ./a, target: /a}]",
        "mounts: [{source: ./a, target: /a, exclude: [x]}]",
    ),
    ("volumes", PLAIN, "", "volumes: ['aa:/a']"),
    ("volumes.name", PLAIN, "volumes: [{name: aa, target: /a}]", "volumes: [{name: bb, target: /a}]"),
    ("volumes.target", PLAIN, "volumes: [{name: aa, target: /a}]", "volumes: [{name: aa, target: /b}]"),
    ("ports", PLAIN, "ports: {web: 80}", "ports: {web: 81}"),
    ("container", PLAIN, "", "container: {shm: 32m}"),
    ("container.memory", PLAIN, "container: {memory: 512m}", "container: {memory: 1g}"),
    ("container.cpus", PLAIN, "container: {cpus: 1}", "container: {cpus: 2}"),
    ("container.pids", PLAIN, "container: {pids: 100}", "container: {pids: 200}"),
    ("container.dns", PLAIN, "", "container: {dns: [1.1.1.1]}"),
    ("container.ulimits", PLAIN, "", "container: {ulimits: {nofile: 10}}"),
    ("container.shm", PLAIN, "container: {shm: 32m}", "container: {shm: 64m}"),
    ("network", PLAIN, "", "network: {extra_hosts: {a.b: 1.1.1.1}}"),
    ("network.subnet", PLAIN, "", "network: {subnet: 10.9.0.0/24}"),
    ("network.internal", PLAIN, "", "network: {internal: true}"),
    ("network.extra_hosts", PLAIN, "", "network: {extra_hosts: {a.b: 1.1.1.1}}"),
    ("healthcheck", PLAIN, "", "healthcheck: ls"),
    ("healthcheck.command", PLAIN, "healthcheck: {command: a}", "healthcheck: {command: b}"),
    ("healthcheck.interval", PLAIN, "healthcheck: {command: a}", "healthcheck: {command: a, interval: 1s}"),
    ("healthcheck.timeout", PLAIN, "healthcheck: {command: a}", "healthcheck: {command: a, timeout: 1s}"),
    ("healthcheck.start_period", PLAIN, "healthcheck: {command: a}", "healthcheck: {command: a, start_period: 1s}"),
    ("healthcheck.retries", PLAIN, "healthcheck: {command: a}", "healthcheck: {command: a, retries: 1}"),
    ("hooks", MADE, "", "hooks: {post_build: a}"),
    ("hooks.post_build_root", MADE, "hooks: {post_build_root: a}", "hooks: {post_build_root: b}"),
    ("hooks.post_build", MADE, "hooks: {post_build: a}", "hooks: {post_build: [a, b]}"),
    ("hooks.pre_run", MADE, "hooks: {pre_run: a}", "hooks: {pre_run: b}"),
    ("services", PLAIN, "", "services: {db: {image: redis}}"),
    ("services.image", PLAIN, "services: {db: {image: redis}}", "services: {db: {image: 'redis:7'}}"),
    ("services.env", PLAIN, "services: {db: {image: redis}}", "services: {db: {image: redis, env: {A: b}}}"),
    ("services.command", PLAIN, "services: {db: {image: redis}}", "services: {db: {image: redis, command: a}}"),
    ("services.volumes", PLAIN, "services: {db: {image: redis}}", "services: {db: {image: redis, volumes: ['aa:/a']}}"),
    (
        "services.volumes.name",
        PLAIN,
        "services: {db: {image: redis, volumes: [{name: aa, target: /a}]}}",
        "services: {db: {image: redis, volumes: [{name: bb, target: /a}]}}",
    ),
    (
        "services.volumes.target",
        PLAIN,
        "services: {db: {image: redis, volumes: [{name: aa, target: /a}]}}",
        "services: {db: {image: redis, volumes: [{name: aa, target: /b}]}}",
    ),
    (
        "services.resources",
        PLAIN,
        "services: {db: {image: redis}}",
        "services: {db: {image: redis, resources: {memory: 1g}}}",
    ),
    (
        "services.resources.memory",
        PLAIN,
        "services: {db: {image: redis, resources: {memory: 1g}}}",
        "services: {db: {image: redis, resources: {memory: 2g}}}",
    ),
    (
        "services.resources.cpus",
        PLAIN,
        "services: {db: {image: redis, resources: {cpus: 1}}}",
        "services: {db: {image: redis, resources: {cpus: 2}}}",
    ),
    (
        "services.resources.pids",
        PLAIN,
        "services: {db: {image: redis, resources: {pids: 10}}}",
        "services: {db: {image: redis, resources: {pids: 20}}}",
    ),
    ("services.wait", PLAIN, "services: {db: {image: redis}}", "services: {db: {image: redis, wait: a}}"),
    (
        "services.wait.command",
        PLAIN,
        "services: {db: {image: redis, wait: {command: a}}}",
        "services: {db: {image: redis, wait: {command: b}}}",
    ),
    (
        "services.wait.timeout",
        PLAIN,
        "services: {db: {image: redis, wait: {command: a}}}",
        "services: {db: {image: redis, wait: {command: a, timeout: 9s}}}",
    ),
    ("buildkit", DIND, "", "buildkit: {cache_limit: 50g}"),
    ("buildkit.image", DIND, "", "buildkit: {image: moby/buildkit:latest}"),
    ("buildkit.cache", DIND, "", "buildkit: {cache: discard}"),
    ("buildkit.cache_limit", DIND, "buildkit: {cache_limit: 50g}", "buildkit: {cache_limit: 60g}"),
    ("buildkit.config", DIND, "", "buildkit: {config: '# mine'}"),
    ("buildkit.resources", DIND, "", "buildkit: {resources: {memory: 1g}}"),
    ("buildkit.resources.memory", DIND, "buildkit: {resources: {memory: 1g}}", "buildkit: {resources: {memory: 2g}}"),
    ("buildkit.resources.cpus", DIND, "buildkit: {resources: {cpus: 1}}", "buildkit: {resources: {cpus: 2}}"),
    ("buildkit.resources.pids", DIND, "buildkit: {resources: {pids: 10}}", "buildkit: {resources: {pids: 20}}"),
    ("labels", PLAIN, "labels: {a: b}", "labels: {a: c}"),
];

struct World;

impl Surroundings for World {
    fn variable(&self, name: &str) -> Option<String> {
        Some(format!("/{name}"))
    }

    fn read(&self, path: &Path) -> Result<String, Unread> {
        let is_spec = path.extension().is_some_and(|extension| extension == "yaml");
        Ok(if is_spec { "{}\n".to_owned() } else { format!("FILE={}\n", path.display()) })
    }

    fn run(&self, _: &str, _: &[&str]) -> Result<String, NotRun> {
        Err(NotRun::Missing)
    }
}

fn graph(spec: &str, key: &str) -> Graph {
    let source = Source::new("agent.yaml", "/home/me/agent.yaml", format!("{spec}{key}\n"));
    let read = agent::parse_all(source, &World).specs.unwrap_or_else(|faults| panic!("{spec}{key}\n{faults}"));
    let spec = &read[0];
    let fetched = secrets::fetch(spec, &World).expect("there is everything").into_iter().chain(spec.concealed.clone());
    let vault = Vault { key: SecretKey::new([1; 32]), fetched: fetched.collect() };
    compile_with(spec, &Capabilities::builtin(), Some(&vault)).expect("it compiles")
}

/// A world in which `before` was applied, looked at for `after`.
fn world(before: &Graph, after: &Graph) -> Observed {
    let mut observed = applied(before);
    observed.images.extend(images_only(after).images);
    for node in before.nodes() {
        let Config::Container(config) = &node.config else { continue };
        let is_asked = node.id == ResourceId::main() || !config.limits.is_empty();
        let id = observed.containers_of(&node.id).next().expect("a container").id.clone();
        if is_asked {
            observed.live.insert(id, Live { limits: config.limits, restart: Some(config.restart) });
        }
    }
    observed
}

/// The containers beside main in what follows.
const SIDECARS: [&str; 2] = ["buildkit", "db"];

/// What a plan does, in a word.
fn effect(plan: &Plan) -> &'static str {
    let done: BTreeSet<(&str, &str)> =
        plan.operations.iter().map(|it| (it.action.verb(), it.resource.name.as_str())).collect();
    let network = plan.operations.iter().any(|it| matches!(it.action, Action::RemoveNetwork { .. }));
    match () {
        () if plan.is_empty() => "nothing",
        () if network => "network",
        () if done.contains(&("create", "main")) => "main",
        () if SIDECARS.iter().any(|name| done.contains(&("create", name))) => "sidecar",
        () if done == [("update", "main")].into() => "main in place",
        () if SIDECARS.iter().any(|name| done == [("update", *name)].into()) => "sidecar in place",
        () => "something else",
    }
}

fn changed(spec: &str, from: &str, to: &str) -> &'static str {
    let (before, after) = (graph(spec, from), graph(spec, to));
    if before.run != after.run {
        return "another";
    }
    let plan = compute(&after, &world(&before, &after), &Options::default());
    let effect = effect(&plan);
    // And once it is done there is nothing to do.
    let again = compute(&after, &world(&after, &after), &Options::default());
    assert!(again.is_empty(), "{spec}{to}:\n{again}");
    effect
}

#[test]
fn changing_a_key_does_what_the_table_says() {
    let effects = effects();
    let keys: Vec<&str> = effects.iter().map(|(path, _)| path.as_str()).collect();
    let changed_keys: Vec<&str> = CHANGES.iter().map(|(path, ..)| *path).collect();
    assert_eq!(changed_keys, keys, "every key is changed here, in the order of the language");
    for ((path, effect), (_, spec, from, to)) in effects.iter().zip(CHANGES) {
        let expected = match effect {
            Effect::Nothing => "nothing",
            Effect::Another => "another",
            Effect::InPlace | Effect::Limit => "main in place",
            Effect::Replace => "main",
            Effect::Network => "network",
            Effect::Sidecar => "sidecar",
            Effect::SidecarLimit => "sidecar in place",
        };
        assert_eq!(changed(spec, from, to), expected, "{path}: {from} -> {to}");
        // A service without the limit, not no service.
        let none = if path.starts_with("services") { "services: {db: {image: redis}}" } else { "" };
        match effect {
            Effect::Limit => {
                assert_eq!((changed(spec, "", to), changed(spec, from, "")), ("main in place", "main"), "{path}");
            }
            Effect::SidecarLimit => {
                assert_eq!((changed(spec, none, to), changed(spec, from, none)), ("sidecar", "sidecar"), "{path}");
            }
            _ => {}
        }
    }
}

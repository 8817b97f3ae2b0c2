//! The effect of changing each key, as in the table of `docs/reference/agent.md`, as cases.
//!
//! `tests/sim/plan` asks the planner for them, `tests/engine` a real engine, where the values must hold: images of the lab,
//! files that the test writes. Data only; knows neither planner nor engine.

use moat_spec::{Effect, effects};

/// The effect on an existing sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes {
    Nothing,
    Another,
    MainInPlace,
    Main,
    Network,
    Gateway,
    SidecarInPlace,
    Sidecar,
    MainAndSidecar,
}

/// One change of a file.
pub struct Step {
    pub key: &'static str,
    pub before: String,
    pub after: String,
    pub becomes: Becomes,
}

/// A sandbox with a sidecar, and one without.
const DIND: &str = "agent: a\nimage: docker:dind\ndependencies: [docker:dind]\n";
const PLAIN: &str = "agent: a\nimage: busybox\n";
/// A sandbox with a network policy, and a grant of one's own.
const STRICT: &str = "agent: a\nimage: busybox\nnetwork: {policy: strict}\n";
const OWN: &str = "grants: [{own: {host: a.example, source: 'env://A'}}]";
/// A sandbox with a built image.
const MADE: &str = "agent: a\nbase_image: debian:trixie-slim\n";

/// A service with only the required keys.
const SERVICE: &str = "services: {db: {image: lab/silent}}";

/// The path of a key, the spec, the old and the new value.
type Change = (&'static str, &'static str, &'static str, &'static str);

/// For each key two values, as lines that are added to a spec; none for a key that is not there.
const CHANGES: &[Change] = &[
    ("agent", "image: busybox\n", "agent: a", "agent: b"),
    ("extends", PLAIN, "", "extends: empty.yaml"),
    ("version", PLAIN, "version: 1.0.0", "version: 2.0.0"),
    ("image", "agent: a\n", "image: busybox", "image: debian:trixie-slim"),
    ("platform", PLAIN, "", "platform: linux/amd64"),
    ("build", "agent: a\n", "image: busybox", "build: ./one"),
    ("build.context", "agent: a\n", "build: {context: one}", "build: {context: two}"),
    ("build.dockerfile", "agent: a\n", "build: {dockerfile: one.txt}", "build: {dockerfile: two.txt}"),
    ("build.target", "agent: a\n", "build: {context: .}", "build: {target: dev}"),
    ("build.args", "agent: a\n", "build: {args: {A: b}}", "build: {args: {A: c}}"),
    ("build.secrets", "agent: a\n", "build: {secrets: {a: 'env://HOME'}}", "build: {secrets: {b: 'env://HOME'}}"),
    ("base_image", "agent: a\n", "base_image: debian:trixie-slim", "base_image: node:22-trixie-slim"),
    ("dependencies", "agent: a\nimage: docker:dind\n", "", "dependencies: [docker:dind]"),
    ("command", PLAIN, "command: sleep 1000", "command: sleep 2000"),
    ("entrypoint", PLAIN, "entrypoint: [sleep, '1000']", "entrypoint: [sleep, '2000']"),
    ("user", PLAIN, "", "user: '1000'"),
    ("workdir", PLAIN, "", "workdir: /srv"),
    ("interactive", PLAIN, "", "interactive: true"),
    ("restart", PLAIN, "", "restart: always"),
    ("hostname", PLAIN, "", "hostname: build-1"),
    ("init", PLAIN, "", "init: false"),
    ("stop_timeout", PLAIN, "stop_timeout: 2s", "stop_timeout: 3s"),
    ("read_only", PLAIN, "", "read_only: true"),
    ("tmpfs", PLAIN, "tmpfs: /a", "tmpfs: ['/a:size=1m']"),
    ("cap_add", PLAIN, "", "cap_add: [SYS_PTRACE]"),
    ("cap_drop", PLAIN, "", "cap_drop: [NET_RAW]"),
    ("devices", PLAIN, "", "devices: ['/dev/null:/dev/own']"),
    ("gpus", PLAIN, "", "gpus: all"),
    ("isolation", "agent: a\ndependencies: [docker:dind]\n", "", "isolation: rootless"),
    ("workspace", PLAIN, "", "workspace: ."),
    ("workspace.path", PLAIN, "workspace: {path: one}", "workspace: {path: two}"),
    ("workspace.target", PLAIN, "workspace: {target: /a}", "workspace: {target: /b}"),
    ("workspace.mode", PLAIN, "workspace: {mode: bind}", "workspace: {mode: volume}"),
    ("workspace.exclude", PLAIN, "workspace: .", "workspace: {exclude: [a]}"),
    ("env", PLAIN, "env: {A: a}", "env: {A: b}"),
    ("env_file", PLAIN, "env_file: one.env", "env_file: two.env"),
    ("secrets", PLAIN, "secrets: {S: 'env://A'}", "secrets: {S: 'env://B'}"),
    ("mounts", PLAIN, "", "mounts: ['./one:/a']"),
    ("mounts.source", PLAIN, "mounts: [{source: ./one, target: /a}]", "mounts: [{source: ./two, target: /a}]"),
    ("mounts.target", PLAIN, "mounts: [{source: ./one, target: /a}]", "mounts: [{source: ./one, target: /b}]"),
    ("mounts.mode", PLAIN, "mounts: [{source: ./one, target: /a}]", "mounts: [{source: ./one, target: /a, mode: ro}]"),
    (
        "mounts.exclude",
        PLAIN,
        "mounts: [{source: ./one, target: /a}]",
        "mounts: [{source: ./one, target: /a, exclude: [x]}]",
    ),
    ("volumes", PLAIN, "", "volumes: ['aa:/a']"),
    ("volumes.name", PLAIN, "volumes: [{name: aa, target: /a}]", "volumes: [{name: bb, target: /a}]"),
    ("volumes.target", PLAIN, "volumes: [{name: aa, target: /a}]", "volumes: [{name: aa, target: /b}]"),
    ("volumes.mode", PLAIN, "volumes: [{name: aa, target: /a}]", "volumes: [{name: aa, target: /a, mode: ro}]"),
    ("ports", PLAIN, "ports: {web: 80}", "ports: {web: 81}"),
    ("ports.target", PLAIN, "ports: [{target: 80}]", "ports: [{target: 81}]"),
    ("ports.published", PLAIN, "ports: [{target: 80}]", "ports: [{target: 80, published: 18081}]"),
    ("ports.host_ip", PLAIN, "ports: [{target: 80}]", "ports: [{target: 80, host_ip: 127.0.0.2}]"),
    ("ports.protocol", PLAIN, "ports: [{target: 80}]", "ports: [{target: 80, protocol: udp}]"),
    ("ports.name", PLAIN, "ports: [{target: 80}]", "ports: [{target: 80, name: web}]"),
    ("container", PLAIN, "", "container: {shm: 32m}"),
    ("container.memory", PLAIN, "container: {memory: 512m}", "container: {memory: 1g}"),
    ("container.cpus", PLAIN, "container: {cpus: 0.5}", "container: {cpus: 1}"),
    ("container.pids", PLAIN, "container: {pids: 100}", "container: {pids: 200}"),
    ("container.dns", PLAIN, "", "container: {dns: [1.1.1.1]}"),
    ("container.ulimits", PLAIN, "", "container: {ulimits: {nofile: 1024}}"),
    ("container.shm", PLAIN, "container: {shm: 32m}", "container: {shm: 64m}"),
    ("container.runtime", PLAIN, "", "container: {runtime: other}"),
    ("container.oom_score_adj", PLAIN, "container: {oom_score_adj: 100}", "container: {oom_score_adj: 200}"),
    ("container.logging", PLAIN, "", "container: {logging: {driver: local}}"),
    (
        "container.logging.driver",
        PLAIN,
        "container: {logging: {driver: json-file}}",
        "container: {logging: {driver: local}}",
    ),
    (
        "container.logging.options",
        PLAIN,
        "container: {logging: {options: {max-size: 5m}}}",
        "container: {logging: {options: {max-size: 6m}}}",
    ),
    ("network", PLAIN, "", "network: {extra_hosts: {a.b: 1.1.1.1}}"),
    ("network.subnet", PLAIN, "", "network: {subnet: 10.199.7.0/28}"),
    ("network.internal", PLAIN, "", "network: {internal: true}"),
    ("network.policy", PLAIN, "", "network: {policy: strict}"),
    ("network.rules", PLAIN, "network: {policy: strict}", "network: {policy: strict, rules: [a.example]}"),
    ("network.host", PLAIN, "network: {policy: strict, host: [80]}", "network: {policy: strict, host: [80, 81]}"),
    (
        "network.roots",
        PLAIN,
        "network: {policy: strict, rules: [a.example: ['allow GET /']]}",
        "network: {policy: strict, rules: [a.example: ['allow GET /']], roots: '-----BEGIN CERTIFICATE----- AA== -----END CERTIFICATE-----'}",
    ),
    (
        "network.gateway_image",
        PLAIN,
        "network: {policy: strict}",
        "network: {policy: strict, gateway_image: 'lab/gateway:2'}",
    ),
    ("network.build", PLAIN, "network: {build: none}", "network: {build: default}"),
    ("network.extra_hosts", PLAIN, "", "network: {extra_hosts: {a.b: 1.1.1.1}}"),
    ("grants", STRICT, "", "grants: [github]"),
    ("grants.source", STRICT, "grants: [github]", "grants: [{github: {source: 'env://A'}}]"),
    ("grants.repos", STRICT, "grants: [github]", "grants: [{github: {repos: [a/b]}}]"),
    ("grants.write", STRICT, "grants: [github]", "grants: [{github: {write: true}}]"),
    ("grants.host", STRICT, OWN, "grants: [{own: {host: b.example, source: 'env://A'}}]"),
    ("grants.header", STRICT, OWN, "grants: [{own: {host: a.example, source: 'env://A', header: x-key}}]"),
    ("grants.format", STRICT, OWN, "grants: [{own: {host: a.example, source: 'env://A', format: '{value}'}}]"),
    (
        "grants.placeholder",
        STRICT,
        OWN,
        "grants: [{own: {host: a.example, source: 'env://A', placeholder: placeholder-1}}]",
    ),
    ("grants.requests", STRICT, OWN, "grants: [{own: {host: a.example, source: 'env://A', requests: ['GET /**']}}]"),
    ("healthcheck", PLAIN, "", "healthcheck: ls"),
    ("healthcheck.command", PLAIN, "healthcheck: {command: ls}", "healthcheck: {command: 'exit 0'}"),
    ("healthcheck.interval", PLAIN, "healthcheck: {command: ls}", "healthcheck: {command: ls, interval: 1s}"),
    ("healthcheck.timeout", PLAIN, "healthcheck: {command: ls}", "healthcheck: {command: ls, timeout: 1s}"),
    ("healthcheck.start_period", PLAIN, "healthcheck: {command: ls}", "healthcheck: {command: ls, start_period: 1s}"),
    ("healthcheck.retries", PLAIN, "healthcheck: {command: ls}", "healthcheck: {command: ls, retries: 1}"),
    ("hooks", MADE, "", "hooks: {post_build: echo a}"),
    ("hooks.post_build_root", MADE, "hooks: {post_build_root: echo a}", "hooks: {post_build_root: echo b}"),
    ("hooks.post_build", MADE, "hooks: {post_build: echo a}", "hooks: {post_build: [echo a, echo b]}"),
    ("hooks.pre_run", MADE, "hooks: {pre_run: echo a}", "hooks: {pre_run: echo b}"),
    ("services", PLAIN, "", "services: {db: {image: lab/silent}}"),
    ("services.image", PLAIN, "services: {db: {image: lab/silent}}", "services: {db: {image: 'redis:7'}}"),
    (
        "services.platform",
        PLAIN,
        "services: {db: {image: lab/silent}}",
        "services: {db: {image: lab/silent, platform: amd64}}",
    ),
    ("services.env", PLAIN, "services: {db: {image: lab/silent}}", "services: {db: {image: lab/silent, env: {A: b}}}"),
    (
        "services.command",
        PLAIN,
        "services: {db: {image: lab/silent}}",
        "services: {db: {image: lab/silent, command: ls}}",
    ),
    (
        "services.volumes",
        PLAIN,
        "services: {db: {image: lab/silent}}",
        "services: {db: {image: lab/silent, volumes: ['aa:/a']}}",
    ),
    (
        "services.volumes.name",
        PLAIN,
        "services: {db: {image: lab/silent, volumes: [{name: aa, target: /a}]}}",
        "services: {db: {image: lab/silent, volumes: [{name: bb, target: /a}]}}",
    ),
    (
        "services.volumes.target",
        PLAIN,
        "services: {db: {image: lab/silent, volumes: [{name: aa, target: /a}]}}",
        "services: {db: {image: lab/silent, volumes: [{name: aa, target: /b}]}}",
    ),
    (
        "services.volumes.mode",
        PLAIN,
        "services: {db: {image: lab/silent, volumes: [{name: aa, target: /a}]}}",
        "services: {db: {image: lab/silent, volumes: [{name: aa, target: /a, mode: ro}]}}",
    ),
    (
        "services.resources",
        PLAIN,
        "services: {db: {image: lab/silent}}",
        "services: {db: {image: lab/silent, resources: {memory: 1g}}}",
    ),
    (
        "services.resources.memory",
        PLAIN,
        "services: {db: {image: lab/silent, resources: {memory: 1g}}}",
        "services: {db: {image: lab/silent, resources: {memory: 2g}}}",
    ),
    (
        "services.resources.cpus",
        PLAIN,
        "services: {db: {image: lab/silent, resources: {cpus: 0.5}}}",
        "services: {db: {image: lab/silent, resources: {cpus: 1}}}",
    ),
    (
        "services.resources.pids",
        PLAIN,
        "services: {db: {image: lab/silent, resources: {pids: 1000}}}",
        "services: {db: {image: lab/silent, resources: {pids: 2000}}}",
    ),
    (
        "services.resources.oom_score_adj",
        PLAIN,
        "services: {db: {image: lab/silent, resources: {oom_score_adj: 100}}}",
        "services: {db: {image: lab/silent, resources: {oom_score_adj: 200}}}",
    ),
    (
        "services.ports",
        PLAIN,
        "services: {db: {image: lab/silent}}",
        "services: {db: {image: lab/silent, ports: ['5432']}}",
    ),
    (
        "services.depends_on",
        PLAIN,
        "services: {db: {image: lab/silent}, web: {image: lab/silent}}",
        "services: {db: {image: lab/silent}, web: {image: lab/silent, depends_on: [db]}}",
    ),
    (
        "services.logging",
        PLAIN,
        "services: {db: {image: lab/silent}}",
        "services: {db: {image: lab/silent, logging: {driver: local}}}",
    ),
    (
        "services.logging.driver",
        PLAIN,
        "services: {db: {image: lab/silent, logging: {driver: json-file}}}",
        "services: {db: {image: lab/silent, logging: {driver: local}}}",
    ),
    (
        "services.logging.options",
        PLAIN,
        "services: {db: {image: lab/silent, logging: {options: {max-size: 5m}}}}",
        "services: {db: {image: lab/silent, logging: {options: {max-size: 6m}}}}",
    ),
    ("services.wait", PLAIN, "services: {db: {image: lab/silent}}", "services: {db: {image: lab/silent, wait: ls}}"),
    (
        "services.wait.command",
        PLAIN,
        "services: {db: {image: lab/silent, wait: {command: ls}}}",
        "services: {db: {image: lab/silent, wait: {command: 'exit 0'}}}",
    ),
    (
        "services.wait.timeout",
        PLAIN,
        "services: {db: {image: lab/silent, wait: {command: ls}}}",
        "services: {db: {image: lab/silent, wait: {command: ls, timeout: 9s}}}",
    ),
    ("buildkit", DIND, "", "buildkit: {cache_limit: 50g}"),
    ("buildkit.image", DIND, "", "buildkit: {image: moby/buildkit:latest}"),
    ("buildkit.cache", DIND, "", "buildkit: {cache: run}"),
    ("buildkit.cache_limit", DIND, "buildkit: {cache_limit: 50g}", "buildkit: {cache_limit: 60g}"),
    ("buildkit.config", DIND, "", "buildkit: {config: 'debug = true'}"),
    ("buildkit.env", DIND, "buildkit: {env: {A: b}}", "buildkit: {env: {A: c}}"),
    ("buildkit.resources", DIND, "", "buildkit: {resources: {memory: 1g}}"),
    ("buildkit.resources.memory", DIND, "buildkit: {resources: {memory: 1g}}", "buildkit: {resources: {memory: 2g}}"),
    ("buildkit.resources.cpus", DIND, "buildkit: {resources: {cpus: 0.5}}", "buildkit: {resources: {cpus: 1}}"),
    ("buildkit.resources.pids", DIND, "buildkit: {resources: {pids: 1000}}", "buildkit: {resources: {pids: 2000}}"),
    (
        "buildkit.resources.oom_score_adj",
        DIND,
        "buildkit: {resources: {oom_score_adj: 100}}",
        "buildkit: {resources: {oom_score_adj: 200}}",
    ),
    ("buildkit.logging", DIND, "", "buildkit: {logging: {driver: local}}"),
    (
        "buildkit.logging.driver",
        DIND,
        "buildkit: {logging: {driver: json-file}}",
        "buildkit: {logging: {driver: local}}",
    ),
    (
        "buildkit.logging.options",
        DIND,
        "buildkit: {logging: {options: {max-size: 5m}}}",
        "buildkit: {logging: {options: {max-size: 6m}}}",
    ),
    ("registries", DIND, "", "registries: {ca_certificates: ca.pem}"),
    (
        "registries.mirrors",
        DIND,
        "registries: {mirrors: {docker.io: 'http://10.213.213.1:5000'}}",
        "registries: {mirrors: {docker.io: ['http://10.213.213.1:5000', 'http://10.213.213.2']}}",
    ),
    ("registries.ca_certificates", DIND, "", "registries: {ca_certificates: [ca.pem]}"),
    ("labels", PLAIN, "labels: {a: b}", "labels: {a: c}"),
];

/// Keys that need more of an engine. `tests/engine/egress/grants.rs` and `tests/engine/egress/own_image.rs` use them on a
/// real one, with values for the grants and an image of the gateway.
pub const OF_THE_AGENT_PLANE: [&str; 11] = [
    "network.roots",
    "network.gateway_image",
    "grants",
    "grants.source",
    "grants.repos",
    "grants.write",
    "grants.host",
    "grants.header",
    "grants.format",
    "grants.placeholder",
    "grants.requests",
];

/// The changes of every key, in the order of the language; of a limit also those that add and remove it.
pub fn steps() -> Vec<Step> {
    let effects = effects();
    let keys: Vec<&str> = effects.iter().map(|(path, _)| path.as_str()).collect();
    let changed: Vec<&str> = CHANGES.iter().map(|(path, ..)| *path).collect();
    assert_eq!(changed, keys, "every key is changed here, in the order of the language");
    effects.iter().zip(CHANGES).flat_map(|((_, effect), change)| of_key(*effect, *change)).collect()
}

fn of_key(effect: Effect, (key, spec, from, to): Change) -> Vec<Step> {
    let step = |from: &str, to: &str, becomes| Step {
        key,
        before: format!("{spec}{from}\n"),
        after: format!("{spec}{to}\n"),
        becomes,
    };
    // A service without the limit, not no service.
    let none = if key.starts_with("services") { SERVICE } else { "" };
    match effect {
        Effect::Nothing => vec![step(from, to, Becomes::Nothing)],
        Effect::Another => vec![step(from, to, Becomes::Another)],
        Effect::InPlace => vec![step(from, to, Becomes::MainInPlace)],
        Effect::Limit => {
            vec![step("", to, Becomes::MainInPlace), step(from, to, Becomes::MainInPlace), step(to, "", Becomes::Main)]
        }
        Effect::Replace => vec![step(from, to, Becomes::Main)],
        Effect::Network => vec![step(from, to, Becomes::Network)],
        Effect::Gateway => vec![step(from, to, Becomes::Gateway)],
        Effect::Sidecar => vec![step(from, to, Becomes::Sidecar)],
        Effect::Docker => vec![step(from, to, Becomes::MainAndSidecar)],
        Effect::SidecarLimit => vec![
            step(none, to, Becomes::Sidecar),
            step(from, to, Becomes::SidecarInPlace),
            step(to, none, Becomes::Sidecar),
        ],
    }
}

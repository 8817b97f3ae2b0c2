//! The lines of a spec's canonical text.
//!
//! Every field of [`Spec`] is named here: the compiler rejects a new one that is forgotten.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Serialize;

use crate::isolation::AUTO;
use crate::path_facts::{PathFacts, Repository};
use crate::registries::Registries;
use crate::secrets::SecretSource;
use crate::{Build, BuilderSettings, CacheRetention, Hooks, Isolation, NamedVolume, Places, Service, Spec};
use moat_model::resource::digest::sha256;
use moat_model::resource::{
    HostPort, Limits, LogConfig, Mount, MountSource, PortConfig, RestartPolicy, Rights, SecretText,
};

/// The prefixes of the keys of mounts, secrets and files.
pub(super) const MOUNT: &str = "mount ";
pub(super) const SECRET: &str = "secret ";
pub(super) const BUILD_SECRET: &str = "build.secret ";
pub(super) const READS: &str = "reads ";
/// The key of a build's content digest.
pub(super) const CONTENT: &str = "build.content";

/// The key of an isolation; without it, the default one.
const ISOLATION: &str = "isolation";

/// The value of a key that the spec does not set.
pub(super) const DEFAULT: &str = "default";

/// The access of a mount, after its source.
const WRITABLE: &str = " (read and write)";
pub(super) const READ_ONLY: &str = " (read only)";

/// The prefix that distinguishes a host path from a volume.
const PATH: &str = "path ";

/// The lines of a spec, or of one of its services.
#[derive(Default)]
pub(super) struct Lines {
    prefix: String,
    pub all: BTreeMap<String, String>,
    /// Values to show instead of those in `all`.
    pub shown: BTreeMap<String, String>,
}

pub(super) fn of_spec(spec: &Spec) -> Lines {
    let Spec {
        source: _,
        places,
        agent,
        version,
        image,
        platform,
        build,
        base_image,
        dependencies,
        command,
        entrypoint,
        user,
        workdir,
        interactive,
        restart,
        env,
        concealed,
        secrets,
        mounts,
        volumes,
        ports,
        limits,
        dns,
        ulimits,
        shm,
        oom_score_adj,
        logging,
        network,
        grants,
        healthcheck,
        hooks,
        // A fact about the host, observed each time.
        owner: _,
        services,
        labels,
        buildkit,
        registries,
        reads,
        path_facts,
        hostname,
        init,
        stop_timeout,
        rights,
        isolation,
        auto,
    } = spec;
    let mut lines = Lines::default();
    lines.put("agent", agent.as_str());
    lines.optional("version", version.as_ref());
    lines.put_or("image", image.as_ref(), DEFAULT);
    lines.optional("platform", platform.as_ref());
    lines.optional("base_image", base_image.as_ref());
    if let Some(build) = build {
        lines.build(build, places);
    }
    lines.each("dependency", dependencies.iter().map(|it| &it.value));
    lines.words("command", command.as_deref());
    lines.words("entrypoint", entrypoint.as_deref());
    lines.put_or("user", user.as_ref(), DEFAULT);
    lines.optional("workdir", workdir.as_ref());
    lines.flag("interactive", *interactive);
    lines.optional("hostname", hostname.as_ref());
    lines.flag("init", *init);
    lines.optional("stop_timeout", stop_timeout.as_ref());
    // What the engine makes of it is no part of the text.
    lines.rights(rights, if auto.is_some() { AUTO } else { isolation.as_str() });
    lines.optional("restart", restart.map(RestartPolicy::as_str));
    lines.environment("env", env, concealed, places);
    for (name, source) in secrets {
        lines.secret(name, source);
    }
    for mount in mounts {
        lines.mount(mount);
    }
    lines.path_facts(path_facts);
    lines.volumes(volumes);
    lines.ports(ports);
    lines.limits(limits);
    lines.list("dns", dns);
    for (name, limit) in ulimits {
        lines.put(format!("ulimit {name}"), json(limit));
    }
    lines.put_or("limit shm", shm.map(|size| size.0), DEFAULT);
    lines.log_and_score(*oom_score_adj, logging.as_ref());
    lines.network(network, grants);
    lines.optional("healthcheck", healthcheck.as_ref().map(json));
    lines.hooks(hooks);
    for (name, service) in services {
        lines.all.extend(of_service(name, service, places));
    }
    lines.labels(labels);
    lines.buildkit(buildkit, places);
    lines.registries(registries);
    for path in reads {
        lines.put(format!("{READS}{}", path.display()), "yes");
    }
    lines
}

fn of_service(name: &str, service: &Service, places: &Places) -> BTreeMap<String, String> {
    let Service {
        image,
        platform,
        env,
        concealed,
        command,
        volumes,
        limits,
        oom_score_adj,
        logging,
        ports,
        depends_on,
        wait,
    } = service;
    let mut lines = Lines { prefix: format!("service {name} "), ..Lines::default() };
    lines.put("image", image);
    lines.optional("platform", platform.as_ref());
    lines.environment(&format!("services.{name}.env"), env, concealed, places);
    lines.words("command", command.as_deref());
    lines.volumes(volumes);
    lines.limits(limits);
    lines.log_and_score(*oom_score_adj, logging.as_ref());
    lines.ports(ports);
    lines.list("depends_on", depends_on);
    lines.words("wait", wait.as_ref().map(|wait| wait.command.as_slice()));
    lines.optional("wait.timeout", wait.as_ref().and_then(|wait| wait.timeout_ms));
    lines.all
}

/// The host path of a writable mount.
pub(super) fn writable_path(value: &str) -> Option<&str> {
    value.strip_prefix(PATH)?.strip_suffix(WRITABLE)
}

/// The host path of a mount.
pub(super) fn path_of(value: &str) -> Option<&str> {
    let text = value.strip_prefix(PATH)?;
    text.strip_suffix(WRITABLE).or_else(|| text.strip_suffix(READ_ONLY))
}

impl Lines {
    pub(super) fn put(&mut self, key: impl Display, value: impl Display) {
        self.all.insert(format!("{}{key}", self.prefix), value.to_string());
    }

    pub(super) fn put_or(&mut self, key: &str, value: Option<impl Display>, default: &str) {
        match value {
            Some(value) => self.put(key, value),
            None => self.put(key, default),
        }
    }

    pub(super) fn optional(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// A line for each name, so that one that is added is a change of its own.
    fn each(&mut self, key: &str, names: impl Iterator<Item = impl Display>) {
        for name in names {
            self.put(format!("{key} {name}"), "yes");
        }
    }

    fn labels(&mut self, labels: &BTreeMap<String, String>) {
        for (name, value) in labels {
            self.put(format!("label {name}"), value);
        }
    }

    pub(super) fn flag(&mut self, key: &str, is_on: bool) {
        if is_on {
            self.put(key, "yes");
        }
    }

    fn words(&mut self, key: &str, words: Option<&[String]>) {
        self.optional(key, words.map(json));
    }

    fn list(&mut self, key: &str, values: &[impl Display]) {
        if !values.is_empty() {
            let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
            self.put(key, texts.join(", "));
        }
    }

    /// Adds literal values as they are, and substituted ones as written in the spec, never as a value.
    fn environment(
        &mut self,
        at: &str,
        plain: &BTreeMap<String, String>,
        concealed: &BTreeMap<String, SecretText>,
        places: &Places,
    ) {
        for (name, value) in plain {
            self.put(format!("env {name}"), value);
        }
        for name in concealed.keys() {
            // A variable from a file has no text in the spec; the file has its own line.
            if let Some(text) = places.as_written(&format!("{at}.{name}")) {
                self.put(format!("variable {name}"), text);
            }
        }
    }

    fn rights(&mut self, rights: &Rights, isolation: &str) {
        self.optional(ISOLATION, (isolation != Isolation::default().as_str()).then_some(isolation));
        // A spec cannot remove protections.
        let Rights { read_only, cap_add, cap_drop, devices, gpus, runtime, without: _ } = rights;
        self.flag("read_only", *read_only);
        self.each("cap_add", cap_add.iter());
        self.each("cap_drop", cap_drop.iter());
        for device in devices {
            self.put(format!("device {}", device.container), device.given());
        }
        self.optional("gpus", gpus.as_ref());
        self.optional("runtime", runtime.as_ref());
    }

    fn secret(&mut self, name: &str, source: &SecretSource) {
        self.source(format!("{SECRET}{name}"), source);
    }

    /// What is granted, as the gateway gets it, and where the value comes from. Never the value.
    pub(super) fn source(&mut self, key: String, source: &SecretSource) {
        let text = source.to_string();
        if let SecretSource::Command(line) = source {
            self.put(&key, format_args!("cmd sha256:{}", sha256(line)));
            self.shown.insert(key, text);
        } else {
            self.put(key, text);
        }
    }

    fn build(&mut self, build: &Build, places: &Places) {
        // The content is compared separately: see `Proposal::pin_content`.
        let Build { context, without: _, dockerfile, text, target, args, secrets, digest: _ } = build;
        self.put("build.context", context.display());
        self.put("build.dockerfile", format_args!("{dockerfile} sha256:{}", sha256(text)));
        self.optional("build.target", target.as_ref());
        for (name, value) in args {
            let written = places.as_written(&format!("build.args.{name}"));
            self.put(format!("build.arg {name}"), written.unwrap_or(value));
        }
        for (name, source) in secrets {
            self.source(format!("{BUILD_SECRET}{name}"), source);
        }
    }

    fn mount(&mut self, mount: &Mount) {
        let Mount { source, target, read_only } = mount;
        let source = match source {
            MountSource::Path(path) => format!("{PATH}{path}"),
            MountSource::Foreign(name) => format!("volume {name}"),
            MountSource::Volume(id) => id.to_string(),
            MountSource::Memory { options } => return self.put(format!("tmpfs {target}"), options),
            MountSource::Empty => return self.put(format!("hidden {target}"), "yes"),
        };
        let access = if *read_only { READ_ONLY } else { WRITABLE };
        self.put(format!("{MOUNT}{target}"), format_args!("{source}{access}"));
    }

    /// Adds the targets of links in mounted paths, and the git directories mounted for work trees.
    fn path_facts(&mut self, facts: &PathFacts) {
        for path in facts.resolutions.keys() {
            let real = facts.real(path);
            if real != path {
                self.put(format!("leads {}", path.display()), real.display());
            }
        }
        for (path, repository) in &facts.repositories {
            if let Repository::Worktree(worktree) = repository {
                self.put(format!("git {}", path.display()), worktree.common.display());
            }
        }
    }

    fn volumes(&mut self, volumes: &[NamedVolume]) {
        for NamedVolume { name, target, read_only } in volumes {
            let access = if *read_only { READ_ONLY } else { WRITABLE };
            self.put(format!("{MOUNT}{target}"), format_args!("own volume {name}{access}"));
        }
    }

    fn ports(&mut self, ports: &[PortConfig]) {
        for PortConfig { name: _, container, address, host } in ports {
            let host = match host {
                HostPort::Fixed(port) => port.to_string(),
                HostPort::Free => "free".to_owned(),
            };
            self.put(format!("port {container} on {address}:{host}"), "yes");
        }
    }

    fn limits(&mut self, limits: &Limits) {
        let Limits { memory, cpus, pids } = limits;
        self.put_or("limit memory", memory.map(|it| it.0), DEFAULT);
        self.put_or("limit cpus", cpus.map(|it| it.0), DEFAULT);
        self.put_or("limit pids", *pids, DEFAULT);
    }

    /// A lower score is not a lower limit: the kernel kills another process instead. Logs may be sent anywhere.
    fn log_and_score(&mut self, oom_score_adj: Option<i32>, logging: Option<&LogConfig>) {
        self.optional("oom_score_adj", oom_score_adj);
        self.optional("logging", logging.map(json));
    }

    fn hooks(&mut self, hooks: &Hooks) {
        let Hooks { post_build_root, post_build, pre_run } = hooks;
        self.optional("hook post_build_root", post_build_root.as_ref());
        self.optional("hook post_build", post_build.as_ref());
        self.optional("hook pre_run", pre_run.as_ref());
    }

    fn registries(&mut self, registries: &Registries) {
        let Registries { mirrors, certificates } = registries;
        for (registry, mirrors) in mirrors {
            self.list(&format!("registry {registry}"), mirrors);
        }
        let certificates = Some(certificates).filter(|text| !text.is_empty());
        self.optional("registry certificates", certificates.map(|text| format!("sha256:{}", sha256(text))));
    }

    fn buildkit(&mut self, buildkit: &BuilderSettings, places: &Places) {
        let BuilderSettings { image, cache, cache_limit, config, env, concealed, limits, oom_score_adj, logging } =
            buildkit;
        "buildkit ".clone_into(&mut self.prefix);
        self.optional("image", image.as_ref());
        self.flag("discard", *cache == CacheRetention::Discard);
        self.flag("cache run", *cache == CacheRetention::Run);
        self.put_or("limit cache", cache_limit.map(|size| size.0), DEFAULT);
        self.optional("config", config.as_ref().map(|text| format!("sha256:{}", sha256(text))));
        self.environment("buildkit.env", env, concealed, places);
        self.limits(limits);
        self.log_and_score(*oom_score_adj, logging.as_ref());
        self.prefix.clear();
    }
}

/// The hosts of a rule, in one line.
/// A structured value.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| unreachable!("plain values serialise: {error}"))
}

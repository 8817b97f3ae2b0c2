//! Converts a container's configuration to the engine's request body.
//!
//! Pure. Only desired settings and default limits are sent; the engine and the image decide the rest.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, DeviceMapping, DeviceRequest, HealthConfig as EngineHealth, HostConfig,
    HostConfigLogConfig, Mount, MountType, MountVolumeOptions, NetworkingConfig, PortBinding, ResourcesUlimits,
    RestartPolicy as EngineRestart, RestartPolicyNameEnum,
};

use super::networks::endpoint;
use crate::transport::version::{ApiVersion, Feature, Vendor};
use moat_model::engine::request::ADDRESS;
use moat_model::engine::{ContainerCreate, ContainerUpdate, VolumeMount};
use moat_model::resource::{
    ContainerConfig, Defaults, Device, Gpus, HealthConfig, ImageCheck, LogConfig, MountSource, Protection,
    RestartPolicy, Rights, Size, label,
};

/// The interval of health checks in the steady state: each one starts a process.
const HEALTH_INTERVAL: Duration = Duration::from_secs(30);

/// The interval until the first success, which other resources wait for.
const HEALTH_START_INTERVAL: Duration = Duration::from_millis(250);

/// A filter of system calls without the default one's limits on namespaces and mounts. It refuses keyrings, which the
/// kernel keeps by user and not by container, and interfaces that Docker's default refuses for their many bugs. The error
/// is that of a kernel without them, on which container runtimes go on.
const FOR_NAMESPACES: &str = include_str!("seccomp.json");

/// The interval for engines without `StartInterval`, a compromise between both.
const HEALTH_OLD_INTERVAL: Duration = Duration::from_secs(5);

/// How long failures after a start are ignored. As long as moat waits for an inner daemon.
const HEALTH_START_PERIOD: Duration = Duration::from_secs(60);

/// The timeout of a check.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// Consecutive failures that make a container unhealthy: a single one may be transient.
const HEALTH_RETRIES: i64 = 3;

/// The body of a creation for API `version`. `defaults` has the limits that the configuration leaves open.
///
/// An entrypoint with an empty command resets the image's command: the engine ties an image's command to the image's
/// entrypoint.
pub(crate) fn body(
    create: &ContainerCreate,
    defaults: &Defaults,
    version: ApiVersion,
    vendor: Vendor,
) -> ContainerCreateBody {
    let config = &create.config;
    let extra = config.extras.env.iter().filter(|(key, _)| !config.env.contains_key(*key));
    let plain = config.env.iter().chain(extra).map(|(key, value)| (key, value.as_str()));
    let address = create.address.map(|address| format!("{ADDRESS}={address}"));
    let secret = config.secrets.iter().map(|(key, value)| (key, value.expose()));
    let some = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
    let network = create.network.to_string();
    let endpoints = HashMap::from([(network.clone(), endpoint(&config.network.aliases, create.address))]);
    let recorded = (!defaults.is_empty()).then(|| (label::DEFAULTS.to_owned(), label::defaults(defaults)));
    ContainerCreateBody {
        image: Some(config.image.to_string()),
        entrypoint: some(&config.entrypoint),
        cmd: some(&config.command),
        env: some_list(plain.chain(secret).map(|(key, value)| format!("{key}={value}")).chain(address)),
        hostname: config.hostname.clone(),
        user: config.user.clone(),
        working_dir: config.workdir.clone(),
        tty: config.interactive.then_some(true),
        open_stdin: config.interactive.then_some(true),
        exposed_ports: some_list(create.ports.iter().map(|port| port.container.to_string())),
        // moat's own labels take precedence.
        labels: Some(config.labels.clone().into_iter().chain(create.labels.clone()).chain(recorded).collect()),
        stop_timeout: config.stop_timeout.map(i64::from),
        healthcheck: match (&config.health, config.image_check) {
            (Some(health), _) => Some(health_check(health, version)),
            (None, ImageCheck::Off) => Some(EngineHealth { test: Some(vec!["NONE".to_owned()]), ..Default::default() }),
            (None, ImageCheck::Kept) => None,
        },
        networking_config: Some(NetworkingConfig { endpoints_config: Some(endpoints) }),
        host_config: Some(host_config(create, defaults, network, vendor)),
        ..Default::default()
    }
}

fn host_config(create: &ContainerCreate, defaults: &Defaults, network: String, vendor: Vendor) -> HostConfig {
    let config = &create.config;
    let all = || config.mounts.iter().chain(&config.extras.mounts);
    let paths = all().filter_map(|mount| match &mount.source {
        MountSource::Path(path) => Some(path_mount(path, &mount.target, mount.read_only)),
        _ => None,
    });
    let in_memory = all().filter_map(|mount| match &mount.source {
        MountSource::Empty => Some((mount.target.clone(), empty_options(mount.read_only).to_owned())),
        MountSource::Memory { options } => Some((mount.target.clone(), options.clone())),
        _ => None,
    });
    let rights = &config.rights;
    let hosts = config.hosts.iter().map(|(name, address)| format!("{name}:{address}"));
    let servers = config.dns.iter().map(ToString::to_string);
    let ulimits = config.ulimits.iter().map(|(name, limit)| ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    });
    let (added, dropped) = capabilities(config, vendor);
    // An empty list replaces the engine's.
    let paths_or_none = rights.without.contains(&Protection::SystemPaths).then(Vec::new);
    HostConfig {
        // By id: before Docker 25 two networks may have the same name.
        network_mode: Some(network),
        privileged: config.privileged.then_some(true),
        runtime: rights.runtime.clone(),
        init: config.init.then_some(true),
        mounts: some_list(create.mounts.iter().map(volume_mount).chain(paths)),
        tmpfs: some_list(in_memory),
        port_bindings: some_list(create.ports.iter().map(binding)),
        extra_hosts: some_list(hosts),
        dns: some_list(create.resolver.map_or_else(|| servers.collect(), |gateway| vec![gateway.to_string()])),
        ulimits: some_list(ulimits),
        sysctls: some_list(config.sysctls.clone()),
        readonly_rootfs: rights.read_only.then_some(true),
        cap_add: some_list(added),
        security_opt: some_list(rights.without.iter().filter_map(|it| security_option(*it, vendor))),
        masked_paths: paths_or_none.clone(),
        readonly_paths: paths_or_none,
        cap_drop: some_list(dropped),
        devices: some_list(rights.devices.iter().map(device)),
        device_requests: rights.gpus.as_ref().map(|gpus| vec![graphics(gpus)]),
        shm_size: config.shm.map(bytes),
        memory: config.limits.memory.or(defaults.memory).map(bytes),
        nano_cpus: config.limits.cpus.map(|cpus| i64::try_from(cpus.0).unwrap_or(i64::MAX)),
        // Always sent: Podman has its own default, which would look like drift.
        pids_limit: Some(config.limits.pids.or(defaults.pids).map_or(NO_PIDS_LIMIT, i64::from)),
        oom_score_adj: config.oom_score_adj.or(defaults.oom_score_adj).map(i64::from),
        log_config: config.logging.as_ref().or(defaults.logging.as_ref()).map(log_config),
        restart_policy: Some(restart(config.restart)),
        ..Default::default()
    }
}

/// The body of an update.
pub(crate) fn update(update: &ContainerUpdate, vendor: Vendor) -> ContainerUpdateBody {
    let limits = &update.limits;
    let cpus = limits.cpus.map(|cpus| i64::try_from(cpus.0).unwrap_or(i64::MAX));
    // Podman ignores `NanoCpus` in an update, and Docker refuses a quota for a container that has them.
    let (nano_cpus, quota) = match vendor {
        Vendor::Docker => (cpus, None),
        Vendor::Podman => (None, cpus.map(|cpus| cpus / (NANO / CPU_PERIOD))),
    };
    ContainerUpdateBody {
        memory: limits.memory.map(bytes),
        // The engine's default for new containers. A swap limit below the memory limit is an error.
        memory_swap: limits.memory.map(|memory| bytes(Size(memory.0.saturating_mul(2)))),
        nano_cpus,
        cpu_quota: quota,
        cpu_period: quota.map(|_| CPU_PERIOD),
        pids_limit: limits.pids.map(i64::from),
        restart_policy: update.restart.map(restart),
        ..Default::default()
    }
}

/// One CPU, in the unit of `NanoCpus`.
const NANO: i64 = 1_000_000_000;

/// The period of a CPU quota in microseconds: the default of both engines.
const CPU_PERIOD: i64 = 100_000;

/// The engine's value for no limit.
const NO_PIDS_LIMIT: i64 = 0;

/// Executable, and writable for every user; Docker's default for such mounts is neither.
const EMPTY_OPTIONS: &str = "rw,exec,nosuid,nodev,mode=1777";

/// An empty directory that stays empty.
const EMPTY_READ_ONLY: &str = "ro,noexec,nosuid,nodev,mode=555";

fn empty_options(read_only: bool) -> &'static str {
    if read_only { EMPTY_READ_ONLY } else { EMPTY_OPTIONS }
}

fn device(device: &Device) -> DeviceMapping {
    DeviceMapping {
        path_on_host: Some(device.host.clone()),
        path_in_container: Some(device.container.clone()),
        cgroup_permissions: Some(device.permissions.clone()),
    }
}

/// The request of `docker run --gpus`; -1 means all.
fn graphics(gpus: &Gpus) -> DeviceRequest {
    let (count, ids) = match gpus {
        Gpus::All => (Some(-1), None),
        Gpus::Count(count) => (Some(i64::from(*count)), None),
        Gpus::Ids(ids) => (None, Some(ids.clone())),
    };
    let capabilities = Some(vec![vec!["gpu".to_owned()]]);
    DeviceRequest { count, device_ids: ids, capabilities, ..Default::default() }
}

fn volume_mount(mount: &VolumeMount) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(mount.volume.clone()),
        target: Some(mount.target.clone()),
        read_only: mount.read_only.then_some(true),
        volume_options: (!mount.labels.is_empty()).then(|| MountVolumeOptions {
            labels: Some(mount.labels.clone().into_iter().collect()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn path_mount(path: &str, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(path.to_owned()),
        target: Some(target.to_owned()),
        read_only: read_only.then_some(true),
        ..Default::default()
    }
}

fn binding(port: &moat_model::engine::PortBinding) -> (String, Option<Vec<PortBinding>>) {
    let binding = PortBinding { host_ip: Some(port.address.to_string()), host_port: Some(port.host.to_string()) };
    (port.container.to_string(), Some(vec![binding]))
}

fn restart(policy: RestartPolicy) -> EngineRestart {
    let name = match policy {
        RestartPolicy::No => RestartPolicyNameEnum::NO,
        RestartPolicy::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
        RestartPolicy::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
        RestartPolicy::Always => RestartPolicyNameEnum::ALWAYS,
    };
    EngineRestart { name: Some(name), maximum_retry_count: None }
}

/// The capabilities to add and to drop.
///
/// To a user other than root, Docker gives added ones for use by programs with file capabilities only, and Podman as
/// effective ones: with `SETUID`, the user could become root. There all others are dropped instead.
fn capabilities(config: &ContainerConfig, vendor: Vendor) -> (Vec<String>, Vec<String>) {
    let Rights { cap_add, cap_drop, .. } = &config.rights;
    let is_user = config.user.as_deref().is_some_and(|user| user.parse::<u32>().is_ok_and(|user| user != 0));
    let are_usual = cap_add.iter().all(|name| USUAL.contains(&name.as_str()));
    if vendor == Vendor::Podman && is_user && are_usual && cap_drop.contains("ALL") {
        let others = USUAL.into_iter().filter(|name| !cap_add.contains(*name)).map(str::to_owned);
        return (Vec::new(), others.collect());
    }
    let mut added = cap_add.clone();
    // A daemon gives its containers Docker's set, of which it must have each.
    if vendor == Vendor::Podman && !is_user && config.rights.without.contains(&Protection::SeccompForNamespaces) {
        added.extend(ONLY_DOCKERS.map(str::to_owned));
    }
    (added.into_iter().collect(), cap_drop.iter().cloned().collect())
}

/// Those that Podman leaves out.
const ONLY_DOCKERS: [&str; 3] = ["AUDIT_WRITE", "MKNOD", "NET_RAW"];

/// The capabilities that containers have on Docker by default; on Podman, eleven of them.
const USUAL: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Removes a protection, in the engine's words. For system paths, Docker has fields, which Podman does not read.
fn security_option(without: Protection, vendor: Vendor) -> Option<String> {
    match without {
        // Podman takes a path on its own host in place of a filter.
        Protection::SeccompForNamespaces if vendor == Vendor::Docker => {
            Some(format!("seccomp={}", FOR_NAMESPACES.trim()))
        }
        Protection::Seccomp | Protection::SeccompForNamespaces => Some("seccomp=unconfined".to_owned()),
        Protection::AppArmor => Some("apparmor=unconfined".to_owned()),
        Protection::SystemPaths if vendor == Vendor::Podman => Some("unmask=ALL".to_owned()),
        Protection::SystemPaths => None,
    }
}

fn log_config(logging: &LogConfig) -> HostConfigLogConfig {
    let options = some_list(logging.options.clone());
    HostConfigLogConfig { typ: logging.driver.clone(), config: options }
}

fn bytes(size: Size) -> i64 {
    i64::try_from(size.0).unwrap_or(i64::MAX)
}

/// The collection, or `None` if it is empty.
fn some_list<T, C: FromIterator<T>>(items: impl IntoIterator<Item = T>) -> Option<C> {
    let mut items = items.into_iter().peekable();
    items.peek().is_some().then(|| items.collect())
}

fn health_check(health: &HealthConfig, version: ApiVersion) -> EngineHealth {
    let quick = version.has(Feature::StartInterval);
    let or = |value: Option<u64>, default: Duration| nanoseconds(value.map_or(default, Duration::from_millis));
    let test = ["CMD".to_owned()].into_iter().chain(health.command.iter().cloned()).collect();
    EngineHealth {
        test: Some(test),
        interval: Some(or(health.interval_ms, if quick { HEALTH_INTERVAL } else { HEALTH_OLD_INTERVAL })),
        start_interval: quick.then(|| nanoseconds(HEALTH_START_INTERVAL)),
        start_period: Some(or(health.start_period_ms, HEALTH_START_PERIOD)),
        timeout: Some(or(health.timeout_ms, HEALTH_TIMEOUT)),
        retries: Some(health.retries.map_or(HEALTH_RETRIES, i64::from)),
    }
}

/// The engine's unit of time in JSON.
fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use moat_model::engine::VolumeMount;
    use moat_model::resource::{Capacity, ContainerConfig, ImageRef, NetworkAttachment, NetworkId, ResourceId};

    const NEW: ApiVersion = ApiVersion { major: 1, minor: 45 };

    fn bare() -> ContainerCreate {
        ContainerCreate {
            name: "moat-a".to_owned(),
            labels: BTreeMap::from([("moat.run".to_owned(), "a-1".to_owned())]),
            config: ContainerConfig::new(
                ImageRef::parse("busybox").expect("valid"),
                NetworkAttachment { network: ResourceId::network("agent"), aliases: Vec::new() },
            ),
            network: NetworkId::new("n1"),
            mounts: Vec::new(),
            ports: Vec::new(),
            address: None,
            resolver: None,
        }
    }

    fn sent(create: &ContainerCreate, version: ApiVersion) -> Value {
        serde_json::to_value(body(create, &Defaults::default(), version, Vendor::Docker)).expect("JSON")
    }

    #[test]
    fn unset_options_are_not_sent() {
        let expected = json!({
            "Image": "busybox",
            "Labels": {"moat.run": "a-1"},
            "HostConfig": {"NetworkMode": "n1", "PidsLimit": 0, "RestartPolicy": {"Name": "no"}},
            "NetworkingConfig": {"EndpointsConfig": {"n1": {}}},
        });
        assert_eq!(sent(&bare(), NEW), expected);
    }

    #[test]
    fn set_options_are_sent() {
        let mut create = bare();
        let config = &mut create.config;
        config.entrypoint = vec!["/init".to_owned()];
        config.command = vec!["a b".to_owned()];
        config.env = BTreeMap::from([("B".to_owned(), "2=3".to_owned()), ("A".to_owned(), String::new())]);
        config.hostname = Some("buildkit".to_owned());
        config.privileged = true;
        config.init = true;
        config.network.aliases = vec!["buildkit".to_owned()];
        config.restart = RestartPolicy::UnlessStopped;
        config.stop_timeout = Some(60);
        config.health = Some(HealthConfig::new(vec!["true".to_owned()]));
        let labels = BTreeMap::from([("moat.run".to_owned(), "a-1".to_owned())]);
        create.mounts =
            vec![VolumeMount { volume: "v".to_owned(), target: "/var/lib/x".to_owned(), read_only: false, labels }];
        let expected = json!({
            "Image": "busybox",
            "Entrypoint": ["/init"],
            "Cmd": ["a b"],
            "Env": ["A=", "B=2=3"],
            "Hostname": "buildkit",
            "Labels": {"moat.run": "a-1"},
            "StopTimeout": 60,
            "Healthcheck": {
                "Test": ["CMD", "true"], "Interval": 30_000_000_000_i64, "StartInterval": 250_000_000_i64,
                "StartPeriod": 60_000_000_000_i64, "Timeout": 10_000_000_000_i64, "Retries": 3,
            },
            "HostConfig": {
                "NetworkMode": "n1", "Privileged": true, "Init": true,
                "Mounts": [{
                    "Type": "volume", "Source": "v", "Target": "/var/lib/x",
                    "VolumeOptions": {"Labels": {"moat.run": "a-1"}},
                }],
                "PidsLimit": 0, "RestartPolicy": {"Name": "unless-stopped"},
            },
            "NetworkingConfig": {"EndpointsConfig": {"n1": {"Aliases": ["buildkit"]}}},
        });
        assert_eq!(sent(&create, NEW), expected);
    }

    #[test]
    fn a_gateway_has_its_address_and_others_have_the_gateway_as_name_server() {
        let address = "10.83.0.2".parse().expect("an address");
        let mut create = ContainerCreate { address: Some(address), ..bare() };
        create.config.sysctls = BTreeMap::from([("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned())]);
        let gateway = sent(&create, NEW);
        assert_eq!(gateway["Env"], json!(["MOAT_ADDRESS=10.83.0.2"]));
        assert_eq!(gateway["HostConfig"]["Sysctls"], json!({"net.ipv4.ip_unprivileged_port_start": "0"}));
        let endpoints = json!({"n1": {"IPAMConfig": {"IPv4Address": "10.83.0.2"}}});
        assert_eq!(gateway["NetworkingConfig"]["EndpointsConfig"], endpoints);
        let mut create = ContainerCreate { resolver: Some(address), ..bare() };
        create.config.dns = vec!["1.1.1.1".parse().expect("an address")];
        assert_eq!(sent(&create, NEW)["HostConfig"]["Dns"], json!(["10.83.0.2"]));
    }

    #[test]
    fn an_images_check_is_disabled_when_the_command_differs() {
        let mut create = bare();
        create.config.image_check = ImageCheck::Off;
        assert_eq!(sent(&create, NEW)["Healthcheck"], json!({"Test": ["NONE"]}));
        create.config.health = Some(HealthConfig::new(vec!["true".to_owned()]));
        assert_eq!(
            sent(&create, NEW)["Healthcheck"]["Test"],
            json!(["CMD", "true"]),
            "the spec's check takes precedence"
        );
    }

    #[test]
    fn privileges_and_tmpfs_are_sent_as_by_docker_run() {
        let mut create = bare();
        let config = &mut create.config;
        config.rights.read_only = true;
        config.rights.runtime = Some("runsc".to_owned());
        config.rights.cap_add = ["NET_ADMIN".to_owned()].into();
        config.rights.cap_drop = ["ALL".to_owned()].into();
        let (host, container) = ("/dev/null".to_owned(), "/dev/x".to_owned());
        config.rights.devices = vec![Device { host, container, permissions: "rw".to_owned() }];
        config.rights.without = [Protection::Seccomp, Protection::AppArmor, Protection::SystemPaths].into();
        let memory = |target: &str, options: &str| moat_model::resource::Mount {
            source: MountSource::Memory { options: options.to_owned() },
            target: target.to_owned(),
            read_only: false,
        };
        config.mounts = vec![memory("/run", ""), memory("/tmp", "size=64m")];
        let host = json!({
            "NetworkMode": "n1", "PidsLimit": 0, "RestartPolicy": {"Name": "no"}, "ReadonlyRootfs": true,
            "CapAdd": ["NET_ADMIN"], "CapDrop": ["ALL"],
            "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "rw"}],
            "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"], "MaskedPaths": [], "ReadonlyPaths": [],
            "Runtime": "runsc", "Tmpfs": {"/run": "", "/tmp": "size=64m"},
        });
        assert_eq!(sent(&create, NEW)["HostConfig"], host);
        create.config.rights.without = [Protection::SeccompForNamespaces].into();
        let options = &sent(&create, NEW)["HostConfig"]["SecurityOpt"];
        let filter = options[0].as_str().and_then(|text| text.strip_prefix("seccomp=")).expect("a filter");
        let filter: Value = serde_json::from_str(filter).expect("JSON");
        assert_eq!((&filter["defaultAction"], options.as_array().map(Vec::len)), (&json!("SCMP_ACT_ALLOW"), Some(1)));
        let on_podman = |create: &ContainerCreate| {
            let body = serde_json::to_value(body(create, &Defaults::default(), NEW, Vendor::Podman)).expect("JSON");
            body["HostConfig"].clone()
        };
        assert_eq!(on_podman(&create)["SecurityOpt"], json!(["seccomp=unconfined"]));
        let user = ContainerCreate {
            config: ContainerConfig { user: Some("1000".to_owned()), ..create.config.clone() },
            ..create.clone()
        };
        assert_eq!(on_podman(&user)["CapAdd"], json!(["NET_ADMIN"]));
        assert_eq!(on_podman(&create)["CapAdd"], json!(["AUDIT_WRITE", "MKNOD", "NET_ADMIN", "NET_RAW"]));
        let mut user = user;
        user.config.rights.cap_add = ["SETUID".to_owned(), "SETGID".to_owned()].into();
        user.config.rights.without = [Protection::SystemPaths].into();
        let host = on_podman(&user);
        assert_eq!((&host["CapAdd"], &host["SecurityOpt"]), (&Value::Null, &json!(["unmask=ALL"])));
        let dropped = host["CapDrop"].as_array().expect("a list");
        assert!(dropped.len() == 12 && !dropped.contains(&json!("SETUID")) && dropped.contains(&json!("SETPCAP")));
        assert_eq!(sent(&user, NEW)["HostConfig"]["CapDrop"], json!(["ALL"]));
        let gpu = json!([["gpu"]]);
        for (gpus, request) in [
            (Gpus::All, json!({"Count": -1, "Capabilities": gpu})),
            (Gpus::Count(2), json!({"Count": 2, "Capabilities": gpu})),
            (Gpus::Ids(vec!["0".to_owned(), "1".to_owned()]), json!({"DeviceIDs": ["0", "1"], "Capabilities": gpu})),
        ] {
            create.config.rights.gpus = Some(gpus);
            assert_eq!(sent(&create, NEW)["HostConfig"]["DeviceRequests"], json!([request]));
        }
    }

    #[test]
    fn default_limits_are_sent_and_recorded_in_a_label() {
        let capacity = Capacity {
            memory: Size(8 << 30),
            limits_memory: true,
            limits_pids: true,
            has_oom_score: true,
            log_driver: "json-file".to_owned(),
            ..Capacity::default()
        };
        let mut create = bare();
        create.config.limits.pids = Some(100);
        let defaults = Defaults::of(&create.config, &capacity);
        let sent = serde_json::to_value(body(&create, &defaults, NEW, Vendor::Docker)).expect("JSON");
        let host = json!({
            "NetworkMode": "n1", "RestartPolicy": {"Name": "no"},
            "Memory": 6_442_450_944_i64, "PidsLimit": 100, "OomScoreAdj": 500,
            "LogConfig": {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}},
        });
        assert_eq!(sent["HostConfig"], host);
        let recorded = sent["Labels"][label::DEFAULTS].as_str().expect("a label");
        assert_eq!(serde_json::from_str::<Defaults>(recorded).expect("read"), defaults);
        create.config.logging = Some(LogConfig { driver: None, options: BTreeMap::from([("tag".into(), "x".into())]) });
        let sent = serde_json::to_value(body(&create, &Defaults::of(&create.config, &capacity), NEW, Vendor::Docker))
            .expect("JSON");
        assert_eq!(
            sent["HostConfig"]["LogConfig"],
            json!({"Config": {"tag": "x"}}),
            "the spec replaces the default as a whole"
        );
    }

    #[test]
    fn unsupported_fields_are_not_sent_to_old_engines() {
        let mut create = bare();
        create.config.health = Some(HealthConfig::new(vec!["true".to_owned()]));
        let check = &sent(&create, ApiVersion { major: 1, minor: 43 })["Healthcheck"];
        assert_eq!((&check["StartInterval"], &check["Interval"]), (&Value::Null, &json!(5_000_000_000_i64)));
    }
}

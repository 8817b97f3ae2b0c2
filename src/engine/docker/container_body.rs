//! A container's configuration in the engine's words.
//!
//! Pure. Only what moat wants is sent; everything else is left to the engine and the image, the log driver too.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, HealthConfig as EngineHealth, HostConfig, Mount, MountType, MountVolumeOptions,
    NetworkingConfig, RestartPolicy as EngineRestart, RestartPolicyNameEnum,
};

use super::networks::endpoint;
use super::version::{ApiVersion, Feature};
use crate::engine::ContainerCreate;
use crate::resource::{HealthConfig, RestartPolicy};

/// Between two checks of a container in its steady state: each one starts a process in it.
const HEALTH_INTERVAL: Duration = Duration::from_secs(30);

/// Between two checks until the first success: what waits for the container should not wait for the check.
const HEALTH_START_INTERVAL: Duration = Duration::from_millis(250);

/// Instead of both where the engine has no `StartInterval`: it bears the whole wait for the first success.
const HEALTH_OLD_INTERVAL: Duration = Duration::from_secs(5);

/// How long failures do not count after a start. As long as moat waits for an inner daemon.
const HEALTH_START_PERIOD: Duration = Duration::from_secs(60);

/// A check that takes longer has failed.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// Failures in a row that make a container unhealthy: one may be bad luck.
const HEALTH_RETRIES: i64 = 3;

/// The body of a container's creation, for an engine that is spoken to in `version`.
///
/// An entrypoint of ours with an empty command resets the image's command: such is the engine's rule, since a
/// command is only meant for the entrypoint that it came with.
pub(super) fn body(create: &ContainerCreate, version: ApiVersion) -> ContainerCreateBody {
    let config = &create.config;
    let some = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
    let network = create.network.to_string();
    let endpoints = HashMap::from([(network.clone(), endpoint(&config.network.aliases))]);
    ContainerCreateBody {
        image: Some(config.image.to_string()),
        entrypoint: some(&config.entrypoint),
        cmd: some(&config.command),
        env: (!config.env.is_empty()).then(|| config.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        hostname: config.hostname.clone(),
        labels: Some(create.labels.clone().into_iter().collect()),
        stop_timeout: config.stop_timeout.map(i64::from),
        healthcheck: config.health.as_ref().map(|health| health_check(health, version)),
        networking_config: Some(NetworkingConfig { endpoints_config: Some(endpoints) }),
        host_config: Some(host_config(create, network)),
        ..Default::default()
    }
}

fn host_config(create: &ContainerCreate, network: String) -> HostConfig {
    let config = &create.config;
    let mounts: Vec<_> = create
        .mounts
        .iter()
        .map(|mount| Mount {
            typ: Some(MountType::VOLUME),
            source: Some(mount.volume.clone()),
            target: Some(mount.target.clone()),
            volume_options: (!mount.labels.is_empty()).then(|| MountVolumeOptions {
                labels: Some(mount.labels.clone().into_iter().collect()),
                ..Default::default()
            }),
            ..Default::default()
        })
        .collect();
    let restart = match config.restart {
        RestartPolicy::No => RestartPolicyNameEnum::NO,
        RestartPolicy::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
    };
    HostConfig {
        // By id: a name may mean two networks on an engine before 25.
        network_mode: Some(network),
        privileged: config.privileged.then_some(true),
        init: config.init.then_some(true),
        mounts: (!mounts.is_empty()).then_some(mounts),
        restart_policy: Some(EngineRestart { name: Some(restart), maximum_retry_count: None }),
        ..Default::default()
    }
}

fn health_check(health: &HealthConfig, version: ApiVersion) -> EngineHealth {
    let quick = version.has(Feature::StartInterval);
    let test = ["CMD".to_owned()].into_iter().chain(health.command.iter().cloned()).collect();
    EngineHealth {
        test: Some(test),
        interval: Some(nanoseconds(if quick { HEALTH_INTERVAL } else { HEALTH_OLD_INTERVAL })),
        start_interval: quick.then(|| nanoseconds(HEALTH_START_INTERVAL)),
        start_period: Some(nanoseconds(HEALTH_START_PERIOD)),
        timeout: Some(nanoseconds(HEALTH_TIMEOUT)),
        retries: Some(HEALTH_RETRIES),
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
    use crate::engine::VolumeMount;
    use crate::resource::{ContainerConfig, ImageRef, NetworkAttachment, NetworkId, ResourceId};

    const NEW: ApiVersion = ApiVersion { major: 1, minor: 45 };

    fn bare() -> ContainerCreate {
        ContainerCreate {
            name: "moat-a".to_owned(),
            labels: BTreeMap::from([("moat.run".to_owned(), "a-1".to_owned())]),
            config: ContainerConfig {
                image: ImageRef::parse("busybox").expect("valid"),
                entrypoint: Vec::new(),
                command: Vec::new(),
                env: BTreeMap::new(),
                hostname: None,
                privileged: false,
                init: false,
                network: NetworkAttachment { network: ResourceId::network("agent"), aliases: Vec::new() },
                mounts: Vec::new(),
                files: Vec::new(),
                restart: RestartPolicy::No,
                stop_timeout: None,
                health: None,
            },
            network: NetworkId::new("n1"),
            mounts: Vec::new(),
        }
    }

    fn sent(create: &ContainerCreate, version: ApiVersion) -> Value {
        serde_json::to_value(body(create, version)).expect("JSON")
    }

    #[test]
    fn what_is_not_wanted_is_not_said() {
        let expected = json!({
            "Image": "busybox",
            "Labels": {"moat.run": "a-1"},
            "HostConfig": {"NetworkMode": "n1", "RestartPolicy": {"Name": "no"}},
            "NetworkingConfig": {"EndpointsConfig": {"n1": {}}},
        });
        assert_eq!(sent(&bare(), NEW), expected);
    }

    #[test]
    fn everything_that_is_wanted_is_said() {
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
        config.health = Some(HealthConfig { command: vec!["true".to_owned()] });
        let labels = BTreeMap::from([("moat.run".to_owned(), "a-1".to_owned())]);
        create.mounts = vec![VolumeMount { volume: "v".to_owned(), target: "/var/lib/x".to_owned(), labels }];
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
                "RestartPolicy": {"Name": "unless-stopped"},
            },
            "NetworkingConfig": {"EndpointsConfig": {"n1": {"Aliases": ["buildkit"]}}},
        });
        assert_eq!(sent(&create, NEW), expected);
    }

    #[test]
    fn an_old_engine_is_not_sent_what_it_would_drop() {
        let mut create = bare();
        create.config.health = Some(HealthConfig { command: vec!["true".to_owned()] });
        let check = &sent(&create, ApiVersion { major: 1, minor: 43 })["Healthcheck"];
        assert_eq!((&check["StartInterval"], &check["Interval"]), (&Value::Null, &json!(5_000_000_000_i64)));
    }
}

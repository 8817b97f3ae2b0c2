//! Information about the engine, and the published ports of a container.
//!
//! For display, and for the default limits of containers.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::transport::endpoint::Endpoint;
use crate::transport::fault::Failure;
use crate::transport::version::Vendor;
use crate::{Docker, safe};
use moat_model::engine::{Call, EngineError};
use moat_model::resource::{Capacity, ContainerId, Size};

/// The release of this machine's kernel, as the engine reports its own. See proc(5).
const KERNEL: &str = "/proc/sys/kernel/osrelease";

/// `GET /info`. Missing values are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "these are the engine's fields")]
pub struct Info {
    #[serde(deserialize_with = "or_default")]
    pub server_version: String,
    #[serde(deserialize_with = "or_default")]
    pub operating_system: String,
    #[serde(deserialize_with = "or_default")]
    pub kernel_version: String,
    #[serde(deserialize_with = "or_default")]
    pub architecture: String,
    /// The storage driver.
    #[serde(deserialize_with = "or_default")]
    pub driver: String,
    /// The default of containers, such as `json-file`.
    #[serde(deserialize_with = "or_default")]
    pub logging_driver: String,
    /// `1` or `2`.
    #[serde(deserialize_with = "or_default")]
    pub cgroup_version: String,
    /// Such as `name=rootless`.
    #[serde(deserialize_with = "or_default")]
    pub security_options: Vec<String>,
    /// By name.
    #[serde(deserialize_with = "or_default")]
    pub runtimes: BTreeMap<String, Value>,
    #[serde(deserialize_with = "or_default")]
    pub docker_root_dir: String,
    /// The engine's clock: RFC 3339.
    #[serde(deserialize_with = "or_default")]
    pub system_time: String,
    #[serde(rename = "NCPU")]
    pub cpus: u64,
    /// In bytes.
    pub mem_total: u64,
    pub memory_limit: bool,
    pub pids_limit: bool,
    #[serde(rename = "CpuCfsQuota")]
    pub cpu_quota: bool,
    #[serde(rename = "OSType", deserialize_with = "or_default")]
    pub os_type: String,
    /// Whether its kernel forwards packets.
    #[serde(rename = "IPv4Forwarding")]
    pub forwards: bool,
}

/// The components of an engine, as printed by `docker version`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Version {
    #[serde(deserialize_with = "or_default")]
    components: Vec<Component>,
}

/// The part of Podman's own information that its answer to Docker's clients lacks, or has wrong.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PodmanInfo {
    host: PodmanHost,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodmanHost {
    /// Those that the engine's user may use.
    #[serde(deserialize_with = "or_default")]
    cgroup_controllers: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    log_driver: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Component {
    name: String,
    #[serde(default)]
    version: String,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    /// In the container.
    pub port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The address and port on the host; `None` if the port is not published.
    pub host: Option<(String, u16)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    #[serde(default)]
    network_settings: Settings,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    #[serde(default, deserialize_with = "or_default")]
    ports: BTreeMap<String, Option<Vec<Binding>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    #[serde(default)]
    host_ip: String,
    #[serde(default)]
    host_port: String,
}

impl Version {
    /// The version of a component such as `Engine` or `Podman Engine`.
    pub fn component(&self, name: &str) -> Option<&str> {
        self.components.iter().find(|it| it.name == name).map(|it| it.version.as_str())
    }
}

impl PodmanInfo {
    /// A rootless Podman reports limits for which it has no controller, and its containers would not start with them.
    fn correct(self, info: &mut Info) {
        let PodmanHost { cgroup_controllers, log_driver } = self.host;
        if !cgroup_controllers.is_empty() {
            let has = |name: &str| cgroup_controllers.iter().any(|it| it == name);
            info.memory_limit &= has("memory");
            info.cpu_quota &= has("cpu");
            info.pids_limit &= has("pids");
        }
        if info.logging_driver.is_empty() {
            info.logging_driver = log_driver;
        }
    }
}

impl Info {
    fn capacity(&self) -> Capacity {
        Capacity {
            memory: Size(self.mem_total),
            limits_memory: self.memory_limit,
            limits_pids: self.pids_limit,
            has_oom_score: self.os_type == "linux",
            log_driver: self.logging_driver.clone(),
            maps_users: self.has_security_option("userns") || self.has_security_option("rootless"),
        }
    }

    /// Whether a security option such as `name=userns` is on.
    pub fn has_security_option(&self, name: &str) -> bool {
        let is = |option: &String| option.split(',').any(|it| it.strip_prefix("name=") == Some(name));
        self.security_options.iter().any(is)
    }
}

impl Docker {
    /// Returns information about the engine.
    ///
    /// # Errors
    /// If it does not respond.
    pub async fn info(&self) -> Result<Info, EngineError> {
        self.described().await.map_err(|failure| failure.into_error(Call::Inspect))
    }

    async fn described(&self) -> Result<Info, Failure> {
        let mut info: Info = self.get(Call::Inspect, "/info").await?;
        if self.vendor == Vendor::Podman {
            let own = self.get::<PodmanInfo>(Call::Inspect, "/libpod/info").await;
            own.unwrap_or_default().correct(&mut info);
        }
        Ok(info)
    }

    /// Whether the paths of the Docker host are known to be paths of this machine. A socket may belong to a virtual
    /// machine, which has another kernel.
    pub async fn shares_files(&self) -> bool {
        self.info().await.is_ok_and(|info| self.shares_files_as(&info))
    }

    /// Like [`Docker::shares_files`], with the engine's answer.
    pub fn shares_files_as(&self, info: &Info) -> bool {
        let is_socket = matches!(self.located().endpoint, Endpoint::Unix(_));
        is_socket && fs::read_to_string(KERNEL).is_ok_and(|ours| info.kernel_version == ours.trim())
    }

    /// Returns the components of the engine. Slow: the engine runs its helpers for their versions.
    ///
    /// # Errors
    /// If it does not respond.
    pub async fn version(&self) -> Result<Version, EngineError> {
        self.get(Call::Inspect, "/version").await.map_err(|failure| failure.into_error(Call::Inspect))
    }

    /// The limits that the engine can enforce, queried once. Empty if the engine does not report them, as behind a proxy
    /// that restricts calls.
    pub(crate) async fn capacity(&self) -> Result<&Capacity, EngineError> {
        let ask = async {
            match self.described().await {
                Ok(info) => Ok(info.capacity()),
                Err(failure @ (Failure::Lost(_) | Failure::TimedOut)) => Err(failure.into_error(Call::Inspect)),
                Err(failure) => {
                    let error = failure.into_error(Call::Inspect);
                    tracing::warn!("the engine does not report its limits: {error}");
                    Ok(Capacity::default())
                }
            }
        };
        self.capacity.get_or_try_init(|| ask).await
    }

    /// Whether root in a container is another user on the host, queried once. False if the engine does not report it.
    ///
    /// # Errors
    /// If it does not respond.
    pub async fn maps_users(&self) -> Result<bool, EngineError> {
        Ok(self.capacity().await?.maps_users)
    }

    /// Returns the ports of a container, sorted. A stopped container has none.
    ///
    /// # Errors
    /// If the container does not exist.
    pub async fn ports(&self, container: &ContainerId) -> Result<Vec<Published>, EngineError> {
        let path = format!("/containers/{}/json", safe(container.as_str())?);
        let found: Inspected =
            self.get(Call::Inspect, &path).await.map_err(|failure| failure.into_error(Call::Inspect))?;
        let mut ports: Vec<Published> = found.network_settings.ports.iter().flat_map(published).collect();
        ports.sort();
        ports.dedup();
        Ok(ports)
    }
}

/// Converts an entry such as `80/tcp` with its bindings.
fn published((name, bindings): (&String, &Option<Vec<Binding>>)) -> Vec<Published> {
    let (port, protocol) = name.split_once('/').unwrap_or((name, "tcp"));
    let Ok(port) = port.parse() else { return Vec::new() };
    let one = |host| Published { port, protocol: protocol.to_owned(), host };
    let bindings = bindings.as_deref().unwrap_or_default();
    let hosts: Vec<_> =
        bindings.iter().filter_map(|it| Some((it.host_ip.clone(), it.host_port.parse().ok()?))).collect();
    if hosts.is_empty() { vec![one(None)] } else { hosts.into_iter().map(|host| one(Some(host))).collect() }
}

/// Engines write `null` for empty values.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(value: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_has_the_limits_of_its_controllers() {
        let corrected = |own: &str| {
            let all = Info { memory_limit: true, cpu_quota: true, pids_limit: true, ..Info::default() };
            let mut info = all;
            serde_json::from_str::<PodmanInfo>(own).expect("an answer").correct(&mut info);
            (info.memory_limit, info.cpu_quota, info.pids_limit, info.logging_driver)
        };
        let all = (true, true, true, String::new());
        assert_eq!(corrected(r#"{"host":{"cgroupControllers":["memory","pids","cpu"],"logDriver":""}}"#), all);
        let rootless = r#"{"host":{"cgroupControllers":["hugetlb","pids"],"logDriver":"k8s-file"},"store":{}}"#;
        assert_eq!(corrected(rootless), (false, false, true, "k8s-file".to_owned()));
        for unknown in ["{}", r#"{"host":{"cgroupControllers":null}}"#] {
            assert_eq!(corrected(unknown), all, "{unknown}");
        }
    }
}

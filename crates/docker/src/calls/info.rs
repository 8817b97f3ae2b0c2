//! What an engine says of itself, and which ports of a container it publishes.
//!
//! For people who look, and for the limits that a container has by default.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::transport::fault::Failure;
use crate::{Docker, safe};
use moat_model::engine::{Call, EngineError};
use moat_model::resource::{Capacity, ContainerId, Size};

/// An engine, as it describes itself. What an engine does not say is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "they are the engine's own answers")]
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
    /// Of containers that say nothing else, as in `json-file`.
    #[serde(deserialize_with = "or_default")]
    pub logging_driver: String,
    /// `1` or `2`.
    #[serde(deserialize_with = "or_default")]
    pub cgroup_version: String,
    /// As in `name=rootless`.
    #[serde(deserialize_with = "or_default")]
    pub security_options: Vec<String>,
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
    /// Whether its kernel passes packets on.
    #[serde(rename = "IPv4Forwarding")]
    pub forwards: bool,
}

/// What an engine is made of, as `docker version` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Version {
    #[serde(deserialize_with = "or_default")]
    components: Vec<Component>,
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
    /// Where the host listens for it: address and port; `None`: only the container's network reaches it.
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
    /// The version of a component such as `Engine` or `Podman Engine`; `None`: it has none of that name.
    pub fn component(&self, name: &str) -> Option<&str> {
        self.components.iter().find(|it| it.name == name).map(|it| it.version.as_str())
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
        }
    }
}

impl Docker {
    /// What the engine says of itself.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn info(&self) -> Result<Info, EngineError> {
        self.get(Call::Inspect, "/info").await.map_err(|failure| failure.into_error(Call::Inspect))
    }

    /// What it is made of. The engine asks its helpers for that, and takes its time.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn version(&self) -> Result<Version, EngineError> {
        self.get(Call::Inspect, "/version").await.map_err(|failure| failure.into_error(Call::Inspect))
    }

    /// What it can enforce, asked for once. Nothing is known of an engine that does not say, as behind a proxy that lets
    /// only some calls through.
    pub(crate) async fn capacity(&self) -> Result<&Capacity, EngineError> {
        let ask = async {
            match self.get::<Info>(Call::Inspect, "/info").await {
                Ok(info) => Ok(info.capacity()),
                Err(failure @ (Failure::Lost(_) | Failure::TimedOut)) => Err(failure.into_error(Call::Inspect)),
                Err(failure) => {
                    let error = failure.into_error(Call::Inspect);
                    tracing::warn!("the engine does not say which limits it has: {error}");
                    Ok(Capacity::default())
                }
            }
        };
        self.capacity.get_or_try_init(|| ask).await
    }

    /// The ports of a container, sorted. Of one that does not run the engine publishes none.
    ///
    /// # Errors
    /// If there is no such container.
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

/// As in `80/tcp` and the places where the host listens.
fn published((name, bindings): (&String, &Option<Vec<Binding>>)) -> Vec<Published> {
    let (port, protocol) = name.split_once('/').unwrap_or((name, "tcp"));
    let Ok(port) = port.parse() else { return Vec::new() };
    let one = |host| Published { port, protocol: protocol.to_owned(), host };
    let bindings = bindings.as_deref().unwrap_or_default();
    let hosts: Vec<_> =
        bindings.iter().filter_map(|it| Some((it.host_ip.clone(), it.host_port.parse().ok()?))).collect();
    if hosts.is_empty() { vec![one(None)] } else { hosts.into_iter().map(|host| one(Some(host))).collect() }
}

/// Engines write `null` for what is empty.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(value: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

//! Rights of a container beyond the default: capabilities, devices, GPUs; and restrictions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Serialize, Serializer};

/// Its fields are flattened into those of the container in the canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Rights {
    /// Only mounts are writable.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// As the engine names them, without `CAP_`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub cap_add: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub cap_drop: BTreeSet<String>,
    /// Keyed by the path in the container in the canonical form, so that a difference names the device.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "by_path")]
    pub devices: Vec<Device>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<Gpus>,
    /// The program that runs it, by its name on the engine; `None`: the engine's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The engine's default protections that it is without.
    #[serde(rename = "unconfined", skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<Protection>,
}

/// A default protection of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// The filter of system calls.
    Seccomp,
    /// The same filter, in favour of a weaker one, which lets users make namespaces and mounts.
    SeccompForNamespaces,
    AppArmor,
    /// The masked and read-only paths below `/proc` and `/sys`. The kernel checks access to them by user, not by
    /// capability: without this protection, a process of the host's root user controls the host.
    SystemPaths,
}

/// A device of the Docker host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub host: String,
    pub container: String,
    /// Some of `rwm`, in this order: read, write, make.
    pub permissions: String,
}

/// GPUs, as the engine's driver selects them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gpus {
    All,
    Count(u32),
    /// By their numbers or ids.
    Ids(Vec<String>),
}

impl Device {
    /// The device and its access rights, as text.
    pub fn given(&self) -> String {
        format!("{}:{}", self.host, self.permissions)
    }
}

impl fmt::Display for Gpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Ids(ids) => write!(f, "device={}", ids.join(",")),
        }
    }
}

impl Serialize for Gpus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn by_path<S: Serializer>(devices: &[Device], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(devices.iter().map(|it| (&it.container, it.given())).collect::<BTreeMap<_, _>>())
}

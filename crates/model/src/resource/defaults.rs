//! Default limits of a container, for limits that its spec omits: they bound its use of the Docker host.
//!
//! Chosen when a container is created, from what the engine can enforce, and stored in a label. They are no part of a
//! configuration: a container created with other defaults, or without any, is in sync.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::ContainerConfig;
use super::limit::Size;
use super::logging::LogConfig;

/// Processes and threads. A desktop has some hundreds and a large build a few thousand; a fork bomb uses all.
pub const PIDS: u32 = 4096;

/// Percent of the host's memory for each container: enough for a single one, and the host stays
/// reachable if it uses all of that.
pub const MEMORY_PERCENT: u64 = 75;

/// If the host still runs out of memory, a sandbox is killed before other processes (0), and after those that
/// volunteer (1000).
pub const OOM_SCORE_ADJ: i32 = 500;

/// A log has at most three files of this size. `docker logs` reads all of them.
pub const LOG: [(&str, &str); 2] = [("max-file", "3"), ("max-size", "10m")];

/// The log drivers with files, which support these options.
const LOG_DRIVERS: [&str; 2] = ["json-file", "local"];

/// What an engine reports to have, such as limits. Nothing is assumed about what it does not report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of the engine")]
pub struct Capacity {
    /// The host's memory.
    pub memory: Size,
    pub limits_memory: bool,
    pub limits_pids: bool,
    pub has_oom_score: bool,
    /// The default log driver.
    pub log_driver: String,
    /// Whether root in a container is another user on the host.
    pub maps_users: bool,
}

/// The default limits of a container, and those that the engine did not support.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Defaults {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<LogConfig>,
    /// Limits that the engine drops, whether in the spec or by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<Limit>,
}

/// A limit that an engine may not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    Memory,
    Pids,
}

impl Defaults {
    /// The limits that a container gets on an engine of this `capacity`, besides those of its configuration.
    pub fn of(config: &ContainerConfig, capacity: &Capacity) -> Self {
        let share = Size((capacity.memory.0 >> 20) * MEMORY_PERCENT / 100 * (1 << 20));
        let memory = capacity.limits_memory && share.0 > 0 && config.limits.memory.is_none();
        let pids = capacity.limits_pids && config.limits.pids.is_none();
        let oom_score = capacity.has_oom_score && config.oom_score_adj.is_none();
        let logging = config.logging.is_none() && LOG_DRIVERS.contains(&capacity.log_driver.as_str());
        // An engine that reports nothing may support all.
        let says = *capacity != Capacity::default();
        let lacks = [(Limit::Memory, capacity.limits_memory), (Limit::Pids, capacity.limits_pids)];
        Self {
            memory: memory.then_some(share),
            pids: pids.then_some(PIDS),
            oom_score_adj: oom_score.then_some(OOM_SCORE_ADJ),
            logging: logging.then(|| LogConfig { driver: Some(capacity.log_driver.clone()), options: log_options() }),
            unsupported: lacks.iter().filter(|(_, has)| says && !has).map(|(limit, _)| *limit).collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the engine did not support the limit when the container was created.
    pub fn lacks(&self, limit: Limit) -> bool {
        self.unsupported.contains(&limit)
    }
}

fn log_options() -> BTreeMap<String, String> {
    LOG.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{ImageRef, NetworkAttachment, ResourceId};

    fn config() -> ContainerConfig {
        let network = NetworkAttachment { network: ResourceId::network("agent"), aliases: Vec::new() };
        ContainerConfig::new(ImageRef::parse("busybox").expect("valid"), network)
    }

    fn capacity() -> Capacity {
        Capacity {
            memory: Size(8_000_000_001),
            limits_memory: true,
            limits_pids: true,
            has_oom_score: true,
            log_driver: "json-file".to_owned(),
            maps_users: false,
        }
    }

    #[test]
    fn an_engine_with_all_limits_gets_all_defaults() {
        let given = serde_json::to_string(&Defaults::of(&config(), &capacity())).expect("JSON");
        assert_eq!(
            given,
            r#"{"memory":"5721m","pids":4096,"oom_score_adj":500,"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}}"#
        );
        assert_eq!(serde_json::from_str::<Defaults>(&given).expect("read"), Defaults::of(&config(), &capacity()));
    }

    #[test]
    fn written_limits_have_no_default() {
        let mut config = config();
        config.limits.memory = Some(Size(1 << 30));
        config.limits.pids = Some(10);
        config.oom_score_adj = Some(0);
        config.logging = Some(LogConfig { driver: None, options: BTreeMap::new() });
        assert!(Defaults::of(&config, &capacity()).is_empty());
    }

    #[test]
    fn unsupported_limits_are_not_sent() {
        let lacking = Capacity { limits_memory: false, limits_pids: false, ..capacity() };
        let given = Defaults::of(&config(), &lacking);
        assert_eq!((given.memory, given.pids), (None, None));
        assert_eq!(given.unsupported, [Limit::Memory, Limit::Pids]);
        for driver in ["journald", "none", "syslog", "k8s-file", ""] {
            let other = Capacity { log_driver: driver.to_owned(), ..capacity() };
            assert_eq!(Defaults::of(&config(), &other).logging, None, "{driver}");
        }
        let local = Capacity { log_driver: "local".to_owned(), ..capacity() };
        let logging = Defaults::of(&config(), &local).logging.expect("a log of limited size");
        assert_eq!(logging.driver.as_deref(), Some("local"));
        assert!(Defaults::of(&config(), &Capacity::default()).is_empty(), "nothing is known of it");
    }
}

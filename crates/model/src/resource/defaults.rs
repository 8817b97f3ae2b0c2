//! The limits that a container gets where its spec says nothing: how much of the Docker host one sandbox can use up.
//!
//! Chosen when a container is created, by what the engine can enforce, and noted in a label. They are no part of a
//! configuration: a container that was made with other defaults, or with none, is as wanted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::ContainerConfig;
use super::limit::Size;
use super::logging::LogConfig;

/// Processes and threads. A desktop has some hundreds and a large build a few thousand; a fork bomb has all there are.
pub const PIDS: u32 = 4096;

/// Of the host's memory, in percent, for each container: enough for one that is alone, and the host can still be
/// reached when it runs wild.
pub const MEMORY_PERCENT: u64 = 75;

/// Where the host runs out of memory all the same, a sandbox is ended before what else runs there (0), and after what
/// has offered itself (1000).
pub const OOM_SCORE_ADJ: i32 = 500;

/// A log is three files of this size at most. `docker logs` has them all.
pub const LOG: [(&str, &str); 2] = [("max-file", "3"), ("max-size", "10m")];

/// The log drivers that keep files, and take these options.
const LOG_DRIVERS: [&str; 2] = ["json-file", "local"];

/// What an engine can enforce, as far as it says. Nothing is assumed of one that says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capacity {
    /// The host's memory.
    pub memory: Size,
    pub limits_memory: bool,
    pub limits_pids: bool,
    pub has_oom_score: bool,
    /// The driver of containers that name none.
    pub log_driver: String,
}

/// What a container got by default, and which limits the engine did not have.
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
    /// Limits that the engine drops, written or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<Limit>,
}

/// A limit that an engine may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    Memory,
    Pids,
}

impl Defaults {
    /// What a container gets on an engine of this `capacity`, beyond what its configuration says.
    pub fn of(config: &ContainerConfig, capacity: &Capacity) -> Self {
        let share = Size((capacity.memory.0 >> 20) * MEMORY_PERCENT / 100 * (1 << 20));
        let memory = capacity.limits_memory && share.0 > 0 && config.limits.memory.is_none();
        let pids = capacity.limits_pids && config.limits.pids.is_none();
        let oom_score = capacity.has_oom_score && config.oom_score_adj.is_none();
        let logging = config.logging.is_none() && LOG_DRIVERS.contains(&capacity.log_driver.as_str());
        // One that says nothing may have them all.
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

    /// Whether the engine had no such limit when the container was created.
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
        }
    }

    #[test]
    fn an_engine_that_has_all_limits_gives_all_defaults() {
        let given = serde_json::to_string(&Defaults::of(&config(), &capacity())).expect("JSON");
        assert_eq!(
            given,
            r#"{"memory":"5721m","pids":4096,"oom_score_adj":500,"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}}"#
        );
        assert_eq!(serde_json::from_str::<Defaults>(&given).expect("read"), Defaults::of(&config(), &capacity()));
    }

    #[test]
    fn what_is_written_has_no_default() {
        let mut config = config();
        config.limits.memory = Some(Size(1 << 30));
        config.limits.pids = Some(10);
        config.oom_score_adj = Some(0);
        config.logging = Some(LogConfig { driver: None, options: BTreeMap::new() });
        assert!(Defaults::of(&config, &capacity()).is_empty());
    }

    #[test]
    fn what_the_engine_does_not_have_is_not_sent() {
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

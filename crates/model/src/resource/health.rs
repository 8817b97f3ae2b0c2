//! Health of a container: the engine's check for the steady state, and moat's own proof of readiness.

use std::time::Duration;

use serde::Serialize;

/// The engine's health check: `command` is run in the container, exit 0 means healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthConfig {
    pub command: Vec<String>,
    /// The interval of checks. In milliseconds, as the other times; `None`: moat's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// The maximum duration of a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The time after a start in which failures do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period_ms: Option<u64>,
    /// The number of consecutive failures that make a container unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// The use of an image's health check, if the container has none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageCheck {
    /// The check is used: the container runs the image's program, or one that suits the check.
    #[default]
    Kept,
    /// The check is disabled: it probes a program that moat replaces.
    Off,
}

/// The proof that a container is ready.
///
/// Not part of [`ContainerConfig`](super::ContainerConfig): moat's timeouts are no property of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// `command` exits with 0 once the container is ready; it runs every `interval` for at most `timeout` after the
    /// start. From then on the container has to stay up for `settle`.
    Exec { command: Vec<String>, interval: Duration, timeout: Duration, settle: Duration },
    /// Without a command: ready when the container has been up for `settle`, and its image's check has passed within
    /// `check`; `None` if that check is not used.
    Running { settle: Duration, check: Option<Duration> },
    /// For an idle container: ready when it is running and `command`, which needs as much as its own
    /// program, exits with 0 in it.
    Idle { command: Vec<String>, interval: Duration, timeout: Duration },
}

impl HealthConfig {
    /// A check with moat's default times.
    pub fn new(command: Vec<String>) -> Self {
        Self { command, interval_ms: None, timeout_ms: None, start_period_ms: None, retries: None }
    }
}

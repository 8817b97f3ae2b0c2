//! How a container is known to do its job: the engine's check for the steady state, and moat's own proof.

use std::time::Duration;

use serde::Serialize;

/// The engine's health check: `command` is run in the container, exit 0 means healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthConfig {
    pub command: Vec<String>,
    /// Between two checks. In milliseconds, as the other times; `None`: a default of moat's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// A check that takes longer has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How long failures do not count after a start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period_ms: Option<u64>,
    /// Failures in a row that make a container unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// What becomes of the health check that an image brings, where the container has none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageCheck {
    /// It counts: the image's program runs, or one that was chosen for it.
    #[default]
    Kept,
    /// It is switched off: it asks for a program that moat has put another one in the place of.
    Off,
}

/// How it is proven that a container does its job.
///
/// Not part of [`ContainerConfig`](super::ContainerConfig): how patiently moat waits is no property of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// `command` in it exits 0 once the container is ready; asked every `interval` for at most `timeout` after the
    /// start. From then on it has to last for `settle`.
    Exec { command: Vec<String>, interval: Duration, timeout: Duration, settle: Duration },
    /// Nothing can be asked: ready when it has lasted for `settle`, and when its image's own check says yes within
    /// `check`; `None`: that check is not heeded.
    Running { settle: Duration, check: Option<Duration> },
    /// There is nothing to do but to stay up: ready when it runs and `command`, which is as hard to run as its own
    /// program, exits 0 in it.
    Idle { command: Vec<String>, interval: Duration, timeout: Duration },
}

impl HealthConfig {
    /// A check with the times that moat takes where none are given.
    pub fn new(command: Vec<String>) -> Self {
        Self { command, interval_ms: None, timeout_ms: None, start_period_ms: None, retries: None }
    }
}

//! A container's terminal, standard input and log driver.

use serde::Deserialize;

use crate::{Docker, safe};
use moat_model::engine::{Call, EngineError};
use moat_model::resource::ContainerId;

/// The settings that decide how a container's streams are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Console {
    /// It has a terminal: its output is one raw stream instead of two in frames.
    pub tty: bool,
    /// Its standard input is open.
    pub stdin: bool,
    /// Such as `json-file`.
    pub log_driver: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    #[serde(default)]
    config: Config,
    #[serde(default)]
    host_config: HostConfig,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    tty: bool,
    open_stdin: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    log_config: LogConfig,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct LogConfig {
    #[serde(rename = "Type")]
    driver: String,
}

impl Docker {
    /// Returns a container's console settings.
    ///
    /// # Errors
    /// If the container does not exist.
    pub async fn console(&self, container: &ContainerId) -> Result<Console, EngineError> {
        let path = format!("/containers/{}/json", safe(container.as_str())?);
        let found: Inspected =
            self.get(Call::Inspect, &path).await.map_err(|failure| failure.into_error(Call::Inspect))?;
        let Inspected { config, host_config } = found;
        Ok(Console { tty: config.tty, stdin: config.open_stdin, log_driver: host_config.log_config.driver })
    }
}

//! The rules of gateways: a gateway keeps what was set in it, and tells its digest.

use super::container::conflict;
use super::daemon::{Container, Daemon};
use moat_model::engine::{EngineError, ExecOutput};
use moat_model::resource::digest::sha256;
use moat_model::resource::{ContainerId, label};
use moat_model::state::ContainerState::Running;

impl Daemon {
    pub fn set_policy(&mut self, id: &ContainerId, policy: &str) -> Result<(), EngineError> {
        let container = self.container(id)?;
        if container.state != Running {
            return Err(conflict(format!("container {id} is not running")));
        }
        container.policy = Some(policy.to_owned());
        Ok(())
    }

    /// Whether a gateway of the run has rules.
    pub fn has_policy(&self, run: &str) -> bool {
        let mut of_run = self.containers.values().filter(|c| c.labels.get(label::RUN).is_some_and(|r| r == run));
        of_run.any(|c| c.lives() && c.policy.is_some())
    }
}

impl Container {
    /// The answer of a gateway.
    pub fn policy_status(&self) -> ExecOutput {
        let digest = self.policy.as_ref().map_or_else(|| "null".to_owned(), |text| format!("\"{}\"", sha256(text)));
        let text = self.policy.as_deref().unwrap_or_default();
        ExecOutput { exit_code: 0, output: format!("{text}\n{{\"digest\":{digest}}}\n") }
    }
}

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

    /// What the script in a container finds: the reserved name is answered by a gateway on its network, and the other
    /// one is denied. It asks for both, in this order.
    pub fn reach(&self, id: &ContainerId) -> ExecOutput {
        let give = |exit_code, output: String| ExecOutput { exit_code, output };
        let Some(asking) = self.containers.get(id) else { return give(1, String::new()) };
        if asking.program.missing.iter().any(|it| it == "sh") {
            return give(127, "exec failed: \"sh\": executable file not found in $PATH".to_owned());
        }
        let is_beside = |c: &&Container| c.endpoints.iter().any(|it| asking.is_on(&it.network));
        let mut gateways = self.containers.values().filter(|c| c.lives() && c.policy.is_some()).filter(is_beside);
        let Some(gateway) = gateways.next().filter(|it| !it.sick) else {
            return give(0, "1 bad address\n2 bad address\n".to_owned());
        };
        let digest = sha256(gateway.policy.as_deref().unwrap_or_default());
        give(0, format!("1 HTTP/1.1 200 OK {digest}\n2 HTTP/1.1 403 Forbidden\n"))
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

//! The rules and grants of gateways: a gateway keeps its rules, reports their digest, and loses values when it exits.

use serde_json::{Value, json};

use super::container::conflict;
use super::daemon::{Container, Daemon};
use moat_model::engine::{EngineError, ExecOutput, Fault};
use moat_model::resource::digest::sha256;
use moat_model::resource::{ContainerId, Secret, label};
use moat_model::state::ContainerState::Running;

impl Daemon {
    pub fn set_policy(&mut self, id: &ContainerId, policy: &str) -> Result<(), EngineError> {
        let container = self.running_gateway(id)?;
        container.policy = Some(policy.to_owned());
        let grants = container.grants();
        let definition = |name: &String| grants.iter().find(|(it, _)| it == name).map(|(_, definition)| definition);
        container.unlocked.retain(|name, (known, _)| definition(name) == Some(known));
        container.revoked.retain(|name| definition(name).is_some());
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
        if asking.program.bypasses_gateway {
            return give(0, "1 HTTP/1.1 200 OK\n2 HTTP/1.1 200 OK\n".to_owned());
        }
        let is_beside = |c: &&Container| c.endpoints.iter().any(|it| asking.is_on(&it.network));
        let mut gateways = self.containers.values().filter(|c| c.lives() && c.policy.is_some()).filter(is_beside);
        let Some(gateway) = gateways.next().filter(|it| !it.sick && !self.drops_names) else {
            return give(0, "1 bad address\n2 bad address\n".to_owned());
        };
        let digest = sha256(gateway.policy.as_deref().unwrap_or_default());
        give(0, format!("1 HTTP/1.1 200 OK {digest}\n2 HTTP/1.1 403 Forbidden\n"))
    }

    pub fn unlock_grant(
        &mut self,
        id: &ContainerId,
        grant: &str,
        value: &Secret,
        restore: bool,
    ) -> Result<(), EngineError> {
        let container = self.running_gateway(id)?;
        let Some((_, definition)) = container.grants().into_iter().find(|(name, _)| name == grant) else {
            return Err(EngineError::new(Fault::Refused, format!("the policy has no grant `{grant}`")));
        };
        if restore {
            container.revoked.remove(grant);
        }
        if !container.revoked.contains(grant) {
            container.unlocked.insert(grant.to_owned(), (definition, value.tag().unwrap_or_default()));
        }
        Ok(())
    }

    pub fn revoke_grant(&mut self, id: &ContainerId, grant: &str) -> Result<(), EngineError> {
        let container = self.running_gateway(id)?;
        container.unlocked.remove(grant);
        container.revoked.insert(grant.to_owned());
        Ok(())
    }

    fn running_gateway(&mut self, id: &ContainerId) -> Result<&mut Container, EngineError> {
        let container = self.container(id)?;
        if container.state == Running { Ok(container) } else { Err(conflict(format!("container {id} is not running"))) }
    }

    /// Whether a gateway of the run has the value of a grant, or must not have it.
    pub fn has_grant(&self, run: &str, name: &str) -> bool {
        let mut of_run = self.containers.values().filter(|c| c.labels.get(label::RUN).is_some_and(|r| r == run));
        of_run.any(|c| c.lives() && (c.unlocked.contains_key(name) || c.revoked.contains(name)))
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
        let text = self.policy.as_deref().unwrap_or_default();
        let status = |(name, _): &(String, String)| {
            let digest = self.unlocked.get(name).map(|(_, digest)| digest);
            json!({ "name": name, "locked": digest.is_none(), "revoked": self.revoked.contains(name), "digest": digest })
        };
        let grants: Vec<Value> = self.grants().iter().map(status).collect();
        let status = json!({ "digest": self.policy.as_ref().map(sha256), "grants": grants });
        ExecOutput { exit_code: 0, output: format!("{text}\n{status}\n") }
    }

    /// The grants of its rules, each with its definition.
    fn grants(&self) -> Vec<(String, String)> {
        let policy: Value = serde_json::from_str(self.policy.as_deref().unwrap_or_default()).unwrap_or_default();
        let grants = policy["grants"].as_array().into_iter().flatten();
        grants.filter_map(|it| Some((it["name"].as_str()?.to_owned(), it.to_string()))).collect()
    }
}

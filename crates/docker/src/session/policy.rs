//! Changes of a running gateway: commands in its container, with rules or a value on standard input.

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use super::capture::Keep;
use crate::{AttachError, AttachRequest, Docker};
use moat_model::engine::{EngineError, Fault};
use moat_model::resource::{ContainerId, Secret};

/// A value for a grant.
pub(crate) struct Unlock<'a> {
    pub grant: &'a str,
    pub value: &'a Secret,
    pub restore: bool,
}

/// Puts rules in force.
pub(crate) async fn set(
    docker: &Docker,
    container: &ContainerId,
    command: &[String],
    policy: &str,
) -> Result<(), EngineError> {
    run(docker, container, command, policy.to_owned(), "the policy").await
}

/// Gives a value to a grant. The value is on standard input only: the engine shows the command of an exec.
pub(crate) async fn unlock(
    docker: &Docker,
    container: &ContainerId,
    command: &[String],
    unlock: &Unlock<'_>,
) -> Result<(), EngineError> {
    let Unlock { grant, value, restore } = unlock;
    let values = json!({ *grant: { "value": value.expose(), "digest": value.tag(), "restore": restore } });
    run(docker, container, command, values.to_string(), "the value").await
}

/// Takes the value of a grant away.
pub(crate) async fn revoke(docker: &Docker, container: &ContainerId, command: &[String]) -> Result<(), EngineError> {
    run(docker, container, command, String::new(), "the revocation").await
}

async fn run(
    docker: &Docker,
    container: &ContainerId,
    command: &[String],
    input: String,
    what: &str,
) -> Result<(), EngineError> {
    let request = AttachRequest { command: command.to_vec(), stdin: true, ..AttachRequest::default() };
    let (sender, chunks) = mpsc::channel(1);
    // Never full: this is the only chunk. Its end is the end of standard input.
    let _ = sender.try_send(Bytes::from(input));
    drop(sender);
    let (mut out, mut err) = (Keep::default(), Keep::default());
    match docker.attach_streams(container, &request, Some(chunks), &mut out, &mut err).await {
        Ok(0) => Ok(()),
        Ok(code) => {
            let log: Vec<String> = err.into_text().lines().map(str::to_owned).collect();
            let message = format!("the gateway refuses {what} with code {code}");
            Err(EngineError::new(Fault::Refused, message).said(log))
        }
        Err(AttachError::NotRun(why)) => Err(EngineError::new(Fault::Refused, why.to_string())),
        Err(AttachError::Engine(error)) => Err(error),
        Err(error) => Err(EngineError::new(Fault::Engine, error.to_string())),
    }
}

//! Puts network rules in force in a gateway: a command in its container, with the rules on standard input.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::capture::Keep;
use crate::{AttachError, AttachRequest, Docker};
use moat_model::engine::{EngineError, Fault};
use moat_model::resource::ContainerId;

pub(crate) async fn set(
    docker: &Docker,
    container: &ContainerId,
    command: &[String],
    policy: &str,
) -> Result<(), EngineError> {
    let request = AttachRequest { command: command.to_vec(), stdin: true, ..AttachRequest::default() };
    let (sender, input) = mpsc::channel(1);
    // Never full: this is the only chunk. Its end is the end of standard input.
    let _ = sender.try_send(Bytes::from(policy.to_owned()));
    drop(sender);
    let (mut out, mut err) = (Keep::default(), Keep::default());
    match docker.attach_streams(container, &request, Some(input), &mut out, &mut err).await {
        Ok(0) => Ok(()),
        Ok(code) => {
            let log: Vec<String> = err.into_text().lines().map(str::to_owned).collect();
            let message = format!("the gateway refuses the policy with code {code}");
            Err(EngineError::new(Fault::Refused, message).said(log))
        }
        Err(AttachError::NotRun(why)) => Err(EngineError::new(Fault::Refused, why.to_string())),
        Err(AttachError::Engine(error)) => Err(error),
        Err(error) => Err(EngineError::new(Fault::Engine, error.to_string())),
    }
}

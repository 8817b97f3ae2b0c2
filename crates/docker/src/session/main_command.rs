//! Attaches the user's streams to a container's main command, as `moat attach` does.

use http::{Method, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Deserialize;

use super::capture::Keep;
use super::connection::{DETACH_KEYS, Process, StreamOptions};
use super::exec::Streams;
use super::pump::{End, pump};
use super::request::Attached;
use crate::transport::fault::Failure;
use crate::transport::upgrade::upgraded;
use crate::transport::{answer, wire};
use crate::{AttachError, Captured, DetachKeys, Docker, safe};
use moat_model::engine::{Call, EngineError};
use moat_model::resource::ContainerId;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Waited {
    status_code: i64,
}

impl Docker {
    /// Attaches this process's streams to a container's main command, until it exits or the user detaches.
    ///
    /// # Errors
    /// If it is not running, or the connection is lost.
    pub async fn attach_main(
        &self,
        container: &ContainerId,
        detach_keys: Option<&DetachKeys>,
        stdin: bool,
    ) -> Result<Attached, AttachError> {
        let console = self.console(container).await?;
        // Requested first, so that the exit is not missed, nor confused with that of a restart.
        let ended = wait(self, container).await?;
        let how = StreamOptions { tty: console.tty, stdin: stdin && console.stdin, detach_keys };
        let code = match self.with_own_streams(&Process::Main(container), &how).await? {
            End::Left => return Ok(Attached::Left),
            End::Output | End::Refused(_) => {
                let waited: Waited = answer::json(ended).await.map_err(|failure| failure.into_error(Call::Inspect))?;
                waited.status_code
            }
            other => other.code(),
        };
        Ok(Attached::Ended(code))
    }
}

impl Docker {
    /// Waits for a container's main command to exit, and captures the end of its output.
    ///
    /// # Errors
    /// As [`Docker::attach_main`].
    pub async fn capture_main(&self, container: &ContainerId) -> Result<Captured, AttachError> {
        let console = self.console(container).await?;
        let ended = wait(self, container).await?;
        let started = start(self, container, false, DETACH_KEYS).await;
        let streams = started.map_err(|failure| failure.into_error(Call::Exec))?;
        let (mut out, mut err) = (Keep::default(), Keep::default());
        pump(streams, console.tty, None, &mut out, &mut err).await?;
        let waited: Waited = answer::json(ended).await.map_err(|failure| failure.into_error(Call::Inspect))?;
        Ok(Captured { exit_code: waited.status_code, stdout: out.into_text(), stderr: err.into_text() })
    }
}

/// Starts to wait for a container's exit; the response's body arrives with it.
async fn wait(docker: &Docker, container: &ContainerId) -> Result<Response<Incoming>, EngineError> {
    let path = format!("/containers/{}/wait", safe(container.as_str())?);
    let response = docker.call(Call::Inspect, async {
        let request = wire::plain(Method::POST, &path)?;
        answer::accepted(docker.wire.send(request).await?).await
    });
    response.await.map_err(|failure| failure.into_error(Call::Inspect))
}

/// Attaches to a container's streams. `keys` are the engine's detach keys.
pub(crate) async fn start(
    docker: &Docker,
    container: &ContainerId,
    stdin: bool,
    keys: &str,
) -> Result<Streams, Failure> {
    let path = format!(
        "/containers/{}/attach?stream=1&stdin={}&stdout=1&stderr=1&detachKeys={}",
        container.as_str(),
        u8::from(stdin),
        wire::encoded(keys)
    );
    docker
        .call(Call::Exec, async {
            let request = wire::plain(Method::POST, &path)?;
            Ok::<_, Failure>(TokioIo::new(upgraded(&docker.wire, request, "tcp").await?))
        })
        .await
}

/// Resizes a container's terminal.
pub(crate) async fn resize(docker: &Docker, container: &ContainerId, rows: u16, columns: u16) -> Result<(), Failure> {
    let path = format!("/containers/{}/resize?h={rows}&w={columns}", container.as_str());
    docker
        .call(Call::Exec, async {
            let request = wire::plain(Method::POST, &path)?;
            answer::accepted(docker.wire.send(request).await?).await.map(drop)
        })
        .await
}

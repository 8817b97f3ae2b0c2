//! Commands in a running container: making one, starting it, and its exit code.
//!
//! The streams are taken over raw, and not by bollard: it guesses from the first byte whether they are framed, and
//! so eats output. An exec that cannot be started is no error of the engine's: it ends with 126 or 127, and the reason
//! is in its output: `not_run` makes something of that.

use std::time::Duration;

use bollard::models::ExecConfig;
use bytes::BytesMut;
use http::{HeaderValue, Method, header};
use hyper::upgrade::{self, Upgraded};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::time::sleep;

use crate::transport::fault::Failure;
use crate::transport::frames::Frames;
use crate::transport::tail::Tail;
use crate::transport::{answer, wire};
use crate::{Docker, safe};
use moat_model::engine::request::EXEC_OUTPUT_MAX;
use moat_model::engine::{Call, EngineError, ExecOutput, Fault};
use moat_model::resource::ContainerId;

/// The raw streams of a started exec.
pub(crate) type Streams = TokioIo<Upgraded>;

/// The engine's id of an exec.
pub(crate) struct ExecId(String);

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "Id")]
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    #[serde(default)]
    running: bool,
    exit_code: Option<i64>,
    /// On the engine's machine; 0 of what never ran.
    #[serde(default)]
    pid: i64,
}

/// In bytes. What is read at once.
pub(crate) const CHUNK: usize = 32 * 1024;

/// The streams end a moment before the engine knows the exit code, so the first question comes soon. A process
/// that closed its streams and went on may run for long, so the questions get rarer.
const EXIT_POLL: Duration = Duration::from_millis(5);
const EXIT_POLL_MAX: Duration = Duration::from_millis(250);

/// Runs a command to its end, with nothing on its standard input.
pub(crate) async fn run(
    docker: &Docker,
    container: &ContainerId,
    command: &[String],
) -> Result<ExecOutput, EngineError> {
    let config = ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command.to_vec()),
        ..Default::default()
    };
    let id = create(docker, container, &config).await?;
    let output = output(docker, &id).await.map_err(|failure| failure.into_error(Call::Exec))?;
    Ok(ExecOutput { exit_code: exit_code(docker, &id).await?, output })
}

pub(crate) async fn create(
    docker: &Docker,
    container: &ContainerId,
    config: &ExecConfig,
) -> Result<ExecId, EngineError> {
    let path = format!("/containers/{}/exec", safe(container.as_str())?);
    match docker.post::<Created>(Call::Exec, &path, config).await {
        Ok(created) => Ok(ExecId(created.id)),
        Err(failure) => Err(failure.into_error(Call::Exec)),
    }
}

/// Starts it; from here on its streams are ours.
pub(crate) async fn start(docker: &Docker, exec: &ExecId, tty: bool) -> Result<Streams, Failure> {
    let path = format!("/exec/{}/start", exec.0);
    docker
        .call(Call::Exec, async {
            let mut request = wire::with_json(Method::POST, &path, &json!({ "Detach": false, "Tty": tty }))?;
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            request.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("tcp"));
            let response = answer::accepted(docker.wire.send(request).await?).await?;
            let upgraded = upgrade::on(response).await.map_err(|error| Failure::Lost(error.to_string()))?;
            Ok::<_, Failure>(TokioIo::new(upgraded))
        })
        .await
}

/// Starts it, and stays with it no longer.
pub(crate) async fn start_detached(docker: &Docker, exec: &ExecId) -> Result<(), Failure> {
    let path = format!("/exec/{}/start", exec.0);
    let started = async {
        let request = wire::with_json(Method::POST, &path, &json!({ "Detach": true, "Tty": false }))?;
        answer::accepted(docker.wire.send(request).await?).await.map(drop)
    };
    docker.call(Call::Exec, started).await
}

/// Whether it has ended without ever having run.
pub(crate) async fn never_ran(docker: &Docker, exec: &ExecId) -> Result<bool, EngineError> {
    let path = format!("/exec/{}/json", exec.0);
    let found: Inspected = docker.get(Call::Exec, &path).await.map_err(|failure| failure.into_error(Call::Exec))?;
    Ok(!found.running && found.pid == 0)
}

/// Tells a terminal its size, in rows and columns.
pub(crate) async fn resize(docker: &Docker, exec: &ExecId, rows: u16, columns: u16) -> Result<(), Failure> {
    let options = bollard::query_parameters::ResizeExecOptions { h: i32::from(rows), w: i32::from(columns) };
    docker.call(Call::Exec, docker.api.resize_exec(&exec.0, options)).await
}

/// Waits for the end, and gives the exit code.
pub(crate) async fn exit_code(docker: &Docker, exec: &ExecId) -> Result<i64, EngineError> {
    let path = format!("/exec/{}/json", exec.0);
    let mut pause = EXIT_POLL;
    loop {
        let found: Inspected = docker.get(Call::Exec, &path).await.map_err(|failure| failure.into_error(Call::Exec))?;
        match found.exit_code {
            _ if found.running => {}
            Some(code) => return Ok(code),
            None => return Err(EngineError::new(Fault::Engine, "the engine does not know how the command ended")),
        }
        sleep(pause).await;
        pause = (2 * pause).min(EXIT_POLL_MAX);
    }
}

/// Both streams to their end, of which the end is kept.
async fn output(docker: &Docker, exec: &ExecId) -> Result<String, Failure> {
    let mut streams = start(docker, exec, false).await?;
    let _slot = docker.slot().await?;
    let (mut frames, mut tail) = (Frames::default(), Tail::new(EXEC_OUTPUT_MAX));
    let mut buffer = BytesMut::with_capacity(CHUNK);
    while streams.read_buf(&mut buffer).await.map_err(|error| Failure::Lost(error.to_string()))? > 0 {
        let mut chunk = buffer.split().freeze();
        while let Some((_, piece)) = frames.next(&mut chunk).map_err(|error| Failure::Unreadable(error.to_string()))? {
            tail.push(&piece);
        }
        buffer.reserve(CHUNK);
    }
    Ok(tail.into_text())
}

//! Execs in a running container: creation, start, exit code.
//!
//! The streams are read raw and not by bollard, which guesses from the first byte whether they are framed, and loses
//! output. For an exec that cannot be started the engine returns no error: it exits with 126 or 127 and writes the reason
//! to its output, which `not_run` interprets.

use std::time::Duration;

use bollard::models::ExecConfig;
use bytes::BytesMut;
use http::Method;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::time::sleep;

use crate::transport::fault::Failure;
use crate::transport::frames::Frames;
use crate::transport::tail::Tail;
use crate::transport::upgrade::upgraded;
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
    /// On the Docker host; 0 if it never ran.
    #[serde(default)]
    pid: i64,
}

/// Size of a read in bytes.
pub(crate) const CHUNK: usize = 32 * 1024;

/// The streams end shortly before the engine knows the exit code, so that polling starts fast. A process may close its
/// streams and run on, so that polling slows down.
const EXIT_POLL: Duration = Duration::from_millis(5);
const EXIT_POLL_MAX: Duration = Duration::from_millis(250);

/// Runs a command to its end, without standard input.
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

/// Starts an exec, and returns its streams.
pub(crate) async fn start(docker: &Docker, exec: &ExecId, tty: bool) -> Result<Streams, Failure> {
    let path = format!("/exec/{}/start", exec.0);
    docker
        .call(Call::Exec, async {
            let request = wire::with_json(Method::POST, &path, &json!({ "Detach": false, "Tty": tty }))?;
            Ok::<_, Failure>(TokioIo::new(upgraded(&docker.wire, request, "tcp").await?))
        })
        .await
}

/// Starts an exec, detached.
pub(crate) async fn start_detached(docker: &Docker, exec: &ExecId) -> Result<(), Failure> {
    let path = format!("/exec/{}/start", exec.0);
    let started = async {
        let request = wire::with_json(Method::POST, &path, &json!({ "Detach": true, "Tty": false }))?;
        answer::accepted(docker.wire.send(request).await?).await.map(drop)
    };
    docker.call(Call::Exec, started).await
}

/// Whether it has exited without having run.
pub(crate) async fn never_ran(docker: &Docker, exec: &ExecId) -> Result<bool, EngineError> {
    let path = format!("/exec/{}/json", exec.0);
    let found: Inspected = docker.get(Call::Exec, &path).await.map_err(|failure| failure.into_error(Call::Exec))?;
    Ok(!found.running && found.pid == 0)
}

/// Resizes the terminal of an exec.
pub(crate) async fn resize(docker: &Docker, exec: &ExecId, rows: u16, columns: u16) -> Result<(), Failure> {
    let options = bollard::query_parameters::ResizeExecOptions { h: i32::from(rows), w: i32::from(columns) };
    docker.call(Call::Exec, docker.api.resize_exec(&exec.0, options)).await
}

/// Waits for the exit code.
pub(crate) async fn exit_code(docker: &Docker, exec: &ExecId) -> Result<i64, EngineError> {
    let path = format!("/exec/{}/json", exec.0);
    let mut pause = EXIT_POLL;
    loop {
        let found: Inspected = docker.get(Call::Exec, &path).await.map_err(|failure| failure.into_error(Call::Exec))?;
        match found.exit_code {
            _ if found.running => {}
            Some(code) => return Ok(code),
            None => return Err(EngineError::new(Fault::Engine, "the engine has no exit code for the command")),
        }
        sleep(pause).await;
        pause = (2 * pause).min(EXIT_POLL_MAX);
    }
}

/// Reads both streams to their end, and keeps the last part.
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

//! Runs a command in a container and captures the end of both streams, in bounded memory.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, BufReader, duplex};

use crate::transport::tail::Tail;
use crate::{AttachError, AttachRequest, Docker};
use moat_model::resource::ContainerId;

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    pub exit_code: i64,
    pub stdout: String,
    pub stderr: String,
}

/// Maximum size of each captured stream in bytes. Longer output belongs in a pipe.
const CAPTURE_MAX: usize = 1 << 20;

/// Maximum length of a first line in bytes.
const LINE_MAX: usize = 1024;

pub(crate) struct Keep(Tail);

impl Default for Keep {
    fn default() -> Self {
        Self(Tail::new(CAPTURE_MAX))
    }
}

impl Keep {
    pub(crate) fn into_text(self) -> String {
        self.0.into_text()
    }
}

impl Docker {
    /// Runs a command to its end, without standard input and terminal.
    ///
    /// # Errors
    /// As [`Docker::attach`].
    pub async fn capture(&self, container: &ContainerId, request: &AttachRequest) -> Result<Captured, AttachError> {
        let request = AttachRequest { tty: false, stdin: false, ..request.clone() };
        let (mut out, mut err) = (Keep::default(), Keep::default());
        match self.attach_streams(container, &request, None, &mut out, &mut err).await {
            Ok(exit_code) => Ok(Captured { exit_code, stdout: out.into_text(), stderr: err.into_text() }),
            Err(AttachError::NotRun(why)) => {
                Ok(Captured { exit_code: why.code.into(), stdout: String::new(), stderr: format!("{why}\n") })
            }
            Err(error) => Err(error),
        }
    }
}

impl Docker {
    /// Starts a command that prints a line and runs on, and returns the line; else what it printed to standard error.
    ///
    /// # Errors
    /// As [`Docker::attach`].
    pub async fn first_line(
        &self,
        container: &ContainerId,
        request: &AttachRequest,
    ) -> Result<Result<String, String>, AttachError> {
        let request = AttachRequest { tty: false, stdin: false, ..request.clone() };
        let ((mut out, from), mut err) = (duplex(LINE_MAX), Keep::default());
        let line = async {
            let mut line = Vec::new();
            let whole = BufReader::new(from).take(LINE_MAX as u64).read_until(b'\n', &mut line).await;
            match whole {
                Ok(_) if line.ends_with(b"\n") => String::from_utf8_lossy(&line).trim_end().to_owned(),
                _ => pending().await,
            }
        };
        let ended = tokio::select! {
            biased;
            line = line => return Ok(Ok(line)),
            ended = self.attach_streams(container, &request, None, &mut out, &mut err) => ended,
        };
        ended.map(|_| Err(err.into_text()))
    }
}

impl AsyncWrite for Keep {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

//! A connection over ssh, as docker opens it: the standard streams of `ssh … docker system dial-stdio`.
//!
//! The user's own `ssh` runs, with its configuration, keys and agent. It never prompts: several connections open at
//! the same time.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::endpoint::SshTarget;

/// In seconds. A reachable host responds at once; docker itself waits 30.
const CONNECT_TIMEOUT: u32 = 10;

/// The last line on the standard error of ssh, the only place where it reports why it failed.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastErrorLine(Arc<Mutex<Option<String>>>);

/// The standard streams of a running ssh, which is killed on drop.
pub(crate) struct SshStream {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    _child: Child,
}

impl LastErrorLine {
    pub(crate) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, line: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
    }
}

/// Starts ssh. A failed connection shows in the first response.
pub(crate) fn dial(target: &SshTarget, last_error_line: LastErrorLine) -> io::Result<SshStream> {
    let mut child = Command::new("ssh")
        .args(arguments(target))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot start `ssh`: {error}")))?;
    let lost = || io::Error::other("`ssh` was started without its streams");
    let stdin = Some(child.stdin.take().ok_or_else(lost)?);
    let stdout = child.stdout.take().ok_or_else(lost)?;
    let stderr = child.stderr.take().ok_or_else(lost)?;
    tokio::spawn(listen(stderr, last_error_line));
    Ok(SshStream { stdin, stdout, _child: child })
}

fn arguments(target: &SshTarget) -> Vec<String> {
    let mut words: Vec<String> =
        ["-T", "-o", "BatchMode=yes", "-o", &format!("ConnectTimeout={CONNECT_TIMEOUT}")].map(str::to_owned).into();
    if let Some(user) = &target.user {
        words.extend(["-l".to_owned(), user.clone()]);
    }
    if let Some(port) = target.port {
        words.extend(["-p".to_owned(), port.to_string()]);
    }
    words.extend(["--".to_owned(), target.host.clone(), "docker".to_owned()]);
    if let Some(socket) = &target.socket {
        // Interpreted by the shell of the remote host.
        words.push(format!("--host='unix://{}'", socket.replace('\'', r"'\''")));
    }
    words.extend(["system".to_owned(), "dial-stdio".to_owned()]);
    words
}

async fn listen(stderr: ChildStderr, last_error_line: LastErrorLine) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if !line.trim().is_empty() {
            last_error_line.set(line.trim().to_owned());
        }
    }
}

impl AsyncRead for SshStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buf)
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_write(cx, buf),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Only closing the pipe signals the end of the input.
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_gets_the_arguments_that_docker_uses() {
        let plain = SshTarget { user: None, host: "box".to_owned(), port: None, socket: None };
        assert_eq!(
            arguments(&plain).join(" "),
            "-T -o BatchMode=yes -o ConnectTimeout=10 -- box docker system dial-stdio"
        );
        let full = SshTarget {
            user: Some("me".to_owned()),
            port: Some(22),
            socket: Some("/run/it's.sock".to_owned()),
            ..plain
        };
        assert!(
            arguments(&full)
                .join(" ")
                .ends_with(r"-l me -p 22 -- box docker --host='unix:///run/it'\''s.sock' system dial-stdio"),
            "{:?}",
            arguments(&full)
        );
    }
}

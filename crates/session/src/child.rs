//! The process of the command: a session leader with the terminal as its own.
//!
//! The holder starts itself again for this, so that nothing happens between fork and exec.

use std::env;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use rustix::fd::OwnedFd;
use rustix::process::{ioctl_tiocsctty, setsid};
use tokio::process::Child;

use crate::layout;

/// What Docker sets for a command with a terminal.
const TERM: &str = "xterm";

/// The convention of shells for a process killed by a signal.
const SIGNAL_BASE: i32 = 128;

/// Starts the command on a terminal.
pub(crate) fn spawn(launcher: &Path, command: &[String], terminal: &OwnedFd) -> io::Result<Child> {
    let stream = || Ok::<_, io::Error>(Stdio::from(terminal.try_clone()?));
    let mut child = tokio::process::Command::new(launcher);
    child.args([layout::WORD, "child", "--"]).args(command);
    child.stdin(stream()?).stdout(stream()?).stderr(stream()?).spawn()
}

/// Replaces this process, which `spawn` has started, by the command. Returns only if that fails.
pub fn become_command(command: &[String]) -> io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no command");
    };
    let prepared = setsid().and_then(|_| ioctl_tiocsctty(rustix::stdio::stdin()));
    if let Err(error) = prepared {
        return error.into();
    }
    let mut process = Command::new(program);
    if env::var_os("TERM").is_none() {
        process.env("TERM", TERM);
    }
    process.args(arguments).exec()
}

/// The exit code, as shells give it.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| Some(SIGNAL_BASE + status.signal()?)).unwrap_or(SIGNAL_BASE)
}

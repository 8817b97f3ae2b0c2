//! Processes, measured from start to exit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::Outcome;

/// moat's release build, with a spec.
pub struct Moat {
    spec: PathBuf,
    host: Option<String>,
}

/// The interval of memory polls. The peak only grows, so that only allocations in the last interval are missed.
const LOOK: Duration = Duration::from_millis(2);

impl Moat {
    pub fn new(spec: &Path) -> Self {
        Self { spec: spec.to_owned(), host: None }
    }

    /// The same with another socket.
    pub fn through(&self, socket: &Path) -> Self {
        Self { spec: self.spec.clone(), host: Some(format!("unix://{}", socket.display())) }
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome<()> {
        finish(self.command(arguments))
    }

    /// Creates the sandbox, runs a command in it, and removes the sandbox.
    pub fn run_in(&self, program: &str) -> Outcome<()> {
        let mut command = self.command(&["run", "--rm"]);
        command.args(["--", program]);
        finish(command)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(crate::binary());
        command.args(arguments).arg(&self.spec);
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
        command
    }
}

/// Starts moat with minimal work.
pub fn version() -> Outcome<()> {
    let mut command = Command::new(crate::binary());
    command.arg("--version").stdout(Stdio::null());
    if command.status()?.success() { Ok(()) } else { Err("`moat --version` failed".into()) }
}

/// Runs to the end; the output of a failed command becomes the error.
pub fn finish(mut command: Command) -> Outcome<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// The peak memory of a process in bytes.
pub fn peak_memory(mut command: Command) -> Outcome<u64> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Some(kibibytes) = fs::read_to_string(&status).ok().as_deref().and_then(peak_memory_from) {
            peak = kibibytes * 1024;
        }
        if let Some(status) = child.try_wait()? {
            return if status.success() { Ok(peak) } else { Err(format!("{command:?}: {status}").into()) };
        }
        thread::sleep(LOOK);
    }
}

fn peak_memory_from(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

//! Runs commands and waits for conditions, both with a deadline.

use std::fmt;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The result of a command.
#[derive(Debug, Clone)]
pub struct Ran {
    /// 128 plus the number of the signal that killed it, as in shells.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The maximum duration of a command, including pulls on a busy machine.
const DEADLINE: Duration = Duration::from_secs(180);

/// The maximum wait for a condition. The change that it waits for has already been requested.
const PATIENCE: Duration = Duration::from_secs(20);

/// The polling interval of conditions.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs a command to its end, with `input` as its standard input.
pub fn run(mut command: Command, input: &[u8]) -> Ran {
    let shown = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let pid = child.id();
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // A command may end without having read all of it.
    let writer = thread::spawn(move || stdin.write_all(&input).ok());
    let (done, ended) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(DEADLINE) else {
        run(kill(pid), b"");
        panic!("{shown}: no end within {DEADLINE:?}");
    };
    let output = output.unwrap_or_else(|error| panic!("{shown}: {error}"));
    writer.join().ok();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code();
    let code = code.or_else(|| std::os::unix::process::ExitStatusExt::signal(&output.status).map(|it| 128 + it));
    Ran { code: code.unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

fn kill(pid: u32) -> Command {
    let mut command = Command::new("kill");
    command.args(["-KILL", &pid.to_string()]);
    command
}

/// Waits until `condition` holds; false if it never does.
pub fn until(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(PAUSE);
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n--- stdout\n{}--- stderr\n{}---", self.code, self.stdout, self.stderr)
    }
}

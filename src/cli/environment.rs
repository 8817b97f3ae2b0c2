//! What a spec may ask of this machine: its environment, its files, and programs that give secrets.

use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::cli::plain_file;
use crate::ui;
use moat_spec::Environment;
use moat_spec::environment::{FileError, ProgramError};

/// This process, on this machine.
pub struct ProcessEnv;

/// What is larger is something else, and need not be read to its end. The parser has the same limit, in bytes.
pub const SIZE_MAX: u64 = 1 << 20;

/// A password manager may ask its user for a finger; who does not answer within this has gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// What takes longer is said to be waited for: a terminal that says nothing looks like one that hangs.
const NOTEWORTHY: Duration = Duration::from_secs(2);

impl Environment for ProcessEnv {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, path: &Path) -> Result<String, FileError> {
        let text = text(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => FileError::Missing,
            _ => FileError::Unreadable(lowercase(&error)),
        })?;
        if text.len() as u64 > SIZE_MAX {
            return Err(FileError::Unreadable(format!("larger than {} KiB", SIZE_MAX / 1024)));
        }
        Ok(text)
    }

    #[cfg(unix)]
    fn owner(&self, path: &Path) -> Option<u32> {
        use std::os::unix::fs::MetadataExt;
        Some(std::fs::metadata(path).ok()?.uid())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, ProgramError> {
        let mut command = Command::new(program);
        // Whatever it says to people they are to see; what it gives is read here and nowhere else.
        command.args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => ProgramError::Missing,
            _ => ProgramError::Failed(format!("cannot be started: {}", lowercase(&error))),
        })?;
        let output = child.stdout.take();
        let (send, received) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = output.map_or(Ok(0), |output| output.take(SIZE_MAX).read_to_end(&mut bytes));
            // Nobody may wait for it any more.
            let _ = send.send(read.map(|_| bytes));
        });
        let answer = received.recv_timeout(NOTEWORTHY).or_else(|_| {
            ui::waiting_for_a_program(program, arguments);
            received.recv_timeout(PATIENCE.saturating_sub(NOTEWORTHY))
        });
        let Ok(read) = answer else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(ProgramError::Failed(format!("did not exit within {} s", PATIENCE.as_secs())));
        };
        let failed = |error: io::Error| ProgramError::Failed(format!("has no readable output: {}", lowercase(&error)));
        let status = child.wait().map_err(failed)?;
        let bytes = read.map_err(failed)?;
        if !status.success() {
            let how = status.code().map_or_else(|| "was killed".to_owned(), |code| format!("exited with code {code}"));
            return Err(ProgramError::Failed(how));
        }
        String::from_utf8(bytes)
            .map_err(|_| ProgramError::Failed("printed something that is not UTF-8 text".to_owned()))
    }
}

/// The text of a file, as much of it as is one byte more than a file may have.
pub fn text(path: &Path) -> io::Result<String> {
    all_of(plain_file::open_plain(path)?)
}

/// As [`text`], of anything that is read.
pub fn all_of(from: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(ErrorKind::InvalidData, format!("not UTF-8 text (byte {at})"))
    })
}

/// The system's words begin with a capital letter and end with a number.
pub fn lowercase(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

//! The environment of a spec: variables and files of this host, and programs that print secrets.

use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::cli::regular_file;
use crate::ui;
use moat_spec::Environment;
use moat_spec::environment::{FileError, ProgramError};

/// The environment of this process.
pub struct ProcessEnv;

/// The maximum size of a file, in bytes. The parser has the same limit.
pub const SIZE_MAX: u64 = 1 << 20;

/// The time limit of a secret's program: a password manager may wait for its user.
const PATIENCE: Duration = Duration::from_secs(60);

/// After this time moat prints that it is waiting.
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
        // Standard error goes to the terminal; the secret on standard output is only read here.
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
            // Fails if the time limit has passed.
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

/// Reads a text file, up to one byte more than [`SIZE_MAX`], so that the caller can detect a larger file.
pub fn text(path: &Path) -> io::Result<String> {
    all_of(regular_file::open_regular(path)?)
}

/// Reads text like [`text`], from any reader.
pub fn all_of(from: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(ErrorKind::InvalidData, format!("not UTF-8 text (byte {at})"))
    })
}

/// The message of an I/O error for use inside a sentence: without capital letter and error number.
pub fn lowercase(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

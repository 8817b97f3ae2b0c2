//! Runs moat in a folder without an engine.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use expect_test::Expect;
use tempfile::TempDir;

/// A user's environment: a folder in a home directory, and an engine address without a listener.
pub struct Place {
    home: TempDir,
    project: PathBuf,
    docker_host: String,
}

/// The result of a command.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let project = home.path().join("project");
        fs::create_dir(&project).expect("a folder");
        let docker_host = format!("unix://{}/nobody.sock", project.display());
        Self { home, project, docker_host }
    }

    /// With this as its `agent.yaml`.
    pub fn with(text: impl AsRef<[u8]>) -> Self {
        Self::new().file("agent.yaml", text)
    }

    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, content).expect("written");
        self
    }

    /// With an engine at this address.
    pub fn at(mut self, docker_host: &str) -> Self {
        docker_host.clone_into(&mut self.docker_host);
        self
    }

    pub fn path(&self) -> &Path {
        &self.project
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A command without this process's environment.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(crate::moat_binary());
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.home()).env("DOCKER_HOST", &self.docker_host).env("RUST_BACKTRACE", "0");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_in("", arguments)
    }

    /// In a directory below.
    pub fn run_in(&self, below: &str, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).current_dir(self.path().join(below)).output().expect("moat runs");
        let text = |bytes: Vec<u8>| self.anonymous(&String::from_utf8(bytes).expect("UTF-8"));
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The text without varying parts: the folder, the digest of a run's id, times.
    fn anonymous(&self, text: &str) -> String {
        let canonical = self.path().canonicalize().expect("there");
        let text = text.replace(&*canonical.to_string_lossy(), "/here");
        let text = replace_after(&text, "builder-", 8, char::is_alphanumeric, "1f2e3d4c");
        replace_after(&text, "\"time\":\"", 24, |c| c != '"', "TIME")
    }
}

/// Replaces the `length` characters after each `mark`, if all are of a kind.
fn replace_after(text: &str, mark: &str, length: usize, kind: impl Fn(char) -> bool, by: &str) -> String {
    let mut parts = text.split(mark);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(mark);
        match part.get(..length) {
            Some(found) if found.chars().all(&kind) => {
                out.push_str(by);
                out.push_str(&part[length..]);
            }
            _ => out.push_str(part),
        }
    }
    out
}

/// Checks the result of a command: the exit code, then both streams.
#[track_caller]
pub fn prints(place: &Place, arguments: &[&str], expected: &Expect) {
    let Ran { code, out, err } = place.run(arguments);
    let section = |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("== {name}\n{text}") };
    let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    expected.assert_eq(&format!("exit {code}\n{}{}", section("stdout", &out), section("stderr", &err)));
}

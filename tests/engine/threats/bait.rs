//! Things of the host's that no sandbox may reach, and a program that tries system calls to reach them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use testkit::engine::engine;
use testkit::run::until;

/// A file in a volume, and a process of the same user with a key in its keyring; both outside of the sandbox.
pub struct Bait {
    name: String,
    /// The file's handle, in the form of `calls.c`.
    pub handle: String,
}

/// The program of `calls.c`, without libraries: it runs in any container.
pub fn calls() -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let source = folder.path().join("calls.c");
        fs::write(&source, include_str!("calls.c")).expect("a file");
        let mut compiler = Command::new("cc");
        compiler.args(["-static", "-O1", "-Wall", "-Werror", "-o"]).arg(folder.path().join("calls")).arg(&source);
        let output = compiler.output().expect("a C compiler");
        assert!(output.status.success(), "{output:?}");
        folder
    });
    folder.path().join("calls")
}

impl Bait {
    /// `user`: the one that main runs as.
    pub fn new(agent: &str, user: &str) -> Self {
        let name = format!("{agent}-bait");
        let (program, volume) = (calls().display().to_string(), format!("{name}:/v"));
        let create = |suffix: &str, user: &str, command: &[&str]| {
            let name = format!("{name}{suffix}");
            let open = ["create", "--name", &name, "--user", user, "--volume", &volume, "--security-opt"];
            engine().docker(&[&open[..], &["seccomp=unconfined", "busybox"], command].concat());
            engine().docker(&["cp", &program, &format!("{name}:/calls")]);
            name
        };
        let file = create("-file", "0", &["sh", "-c", "echo reached >/v/file && exec /calls handle /v/file"]);
        let handle = engine().docker(&["start", "--attach", &file]).trim().to_owned();
        engine().docker(&["rm", &file]);
        let keeper = create("", user, &["/calls", "key", &name]);
        engine().docker(&["start", &keeper]);
        assert!(until(|| engine().docker(&["logs", &keeper]).contains("added")));
        Self { name, handle }
    }

    /// The name of the key, and a word of its process's command.
    pub fn key(&self) -> &str {
        &self.name
    }
}

impl Drop for Bait {
    fn drop(&mut self) {
        engine().try_docker(&["rm", "--force", &self.name]);
        engine().try_docker(&["volume", "rm", "--force", &self.name]);
    }
}

//! A log in its own folder.

use std::fs;
use std::path::{Path, PathBuf};

use moat::audit::log::{About, Writer};
use moat::audit::{Audit, AuditError, Verdict, verify};
use moat::clock::Clock;
use serde_json::{Map, json};
use tempfile::TempDir;

/// A state folder.
pub struct Place {
    dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        // In memory if possible: thousands of cases need not wait for a disk.
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { dir: dir.expect("a folder") }
    }

    /// With a fixed key.
    pub fn with_key(digit: char) -> Self {
        let place = Self::new();
        place.write_key(digit);
        place
    }

    pub fn write_key(&self, digit: char) {
        use std::os::unix::fs::PermissionsExt;
        fs::create_dir_all(self.file("")).expect("a folder");
        let key = self.file("key");
        fs::write(&key, digit.to_string().repeat(64)).expect("written");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("set");
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join("audit").join(name)
    }

    pub fn open(&self) -> Result<Audit, AuditError> {
        Audit::open(self.path(), writer())
    }

    pub fn log(&self) -> Vec<u8> {
        fs::read(self.file("log.jsonl")).expect("a log")
    }

    pub fn set_log(&self, bytes: &[u8]) {
        fs::write(self.file("log.jsonl"), bytes).expect("written");
    }

    /// The first broken entry; `None`: the log verifies.
    pub fn first_broken(&self) -> Option<u64> {
        match verify(self.path(), None) {
            Ok(_) => None,
            Err(AuditError::Broken(broken)) => Some(broken.entry),
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    pub fn assert_valid(&self, entries: u64) {
        match verify(self.path(), None) {
            Ok(good) => assert_eq!(good.entries, entries),
            Err(error) => panic!("{error}\n{}", String::from_utf8_lossy(&self.log())),
        }
    }
}

pub fn writer() -> Writer {
    Writer { command: "apply".to_owned(), pid: 7, clock: Clock::Fixed(jiff::Timestamp::UNIX_EPOCH) }
}

pub fn about() -> About {
    let text = |text: &str| Some(text.to_owned());
    About { run: text("builder-1f2e3d4c"), agent: text("builder"), engine: text("unix:///run/docker.sock") }
}

/// A change, with its outcome: two entries.
pub fn change(audit: &Audit, name: &str) {
    let data = Map::from_iter([("network".to_owned(), json!(name))]);
    let intent = audit.intent("docker_network_created", &about(), data).expect("on record");
    let made = Map::from_iter([("network_id".to_owned(), json!("n1"))]);
    audit.outcome(intent, "docker_network_created", Verdict::Done, &about(), made).expect("on record");
}

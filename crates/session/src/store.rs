//! The sockets and records of a user's sessions, in a folder that only this user and root can enter.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;
use tokio::net::UnixListener;

use crate::error::SessionError;
use crate::facts::{Facts, Session, State};
use crate::name::is_name;

/// Concurrent ones, for each user.
const RUNNING_MAX: usize = 16;

/// Records of ended sessions, the newest ones.
const ENDED_MAX: usize = 20;

/// Of a record, in bytes.
const RECORD_MAX: u64 = 4096;

pub(crate) struct Store(PathBuf);

impl Store {
    /// The folder of this user, which is created if it is missing.
    pub(crate) fn open(sessions: &Path) -> Result<Self, SessionError> {
        let own = geteuid().as_raw();
        let folder = sessions.join(own.to_string());
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(SessionError::of(&folder)(error)),
            _ => {}
        }
        // Anyone can create folders here, also this one before us, or a link.
        let facts = fs::symlink_metadata(&folder).map_err(SessionError::of(&folder))?;
        if !facts.is_dir() || facts.uid() != own || facts.mode() & 0o077 != 0 {
            return Err(SessionError::Foreign(folder));
        }
        Ok(Self(folder))
    }

    /// A socket under the first free name: `base`, `base-2` and so on.
    pub(crate) fn claim(
        &self,
        base: &str,
        facts: impl Fn(String) -> Facts,
    ) -> Result<(Facts, UnixListener), SessionError> {
        let _lock = self.lock()?;
        for number in 1..=RUNNING_MAX {
            let name = if number == 1 { base.to_owned() } else { format!("{base}-{number}") };
            let socket = self.socket(&name)?;
            if self.answers(&name) {
                continue;
            }
            remove(&socket)?;
            let listener = UnixListener::bind(&socket).map_err(SessionError::of(&socket))?;
            let facts = facts(name);
            self.write(&facts)?;
            self.forget_old()?;
            return Ok((facts, listener));
        }
        Err(SessionError::TooMany(RUNNING_MAX))
    }

    /// The path of a session's socket.
    pub(crate) fn socket(&self, name: &str) -> Result<PathBuf, SessionError> {
        self.file(name, "sock")
    }

    /// Whether a holder answers under a name.
    pub(crate) fn answers(&self, name: &str) -> bool {
        self.socket(name).is_ok_and(|socket| net::UnixStream::connect(socket).is_ok())
    }

    /// Removes the socket of a session that has ended.
    pub(crate) fn release(&self, name: &str) -> Result<(), SessionError> {
        remove(&self.socket(name)?)
    }

    /// Replaces a record.
    pub(crate) fn write(&self, facts: &Facts) -> Result<(), SessionError> {
        let (file, new) = (self.file(&facts.name, "json")?, self.file(&facts.name, "new")?);
        let text = serde_json::to_vec(facts).map_err(io::Error::other)?;
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&new);
        opened.and_then(|mut file| file.write_all(&text)).map_err(SessionError::of(&new))?;
        fs::rename(&new, &file).map_err(SessionError::of(&file))
    }

    /// A record; `None` if there is none that is readable.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Facts>, SessionError> {
        let Ok(file) = File::open(self.file(name, "json")?) else { return Ok(None) };
        let mut text = Vec::new();
        file.take(RECORD_MAX).read_to_end(&mut text)?;
        Ok(serde_json::from_slice::<Facts>(&text).ok().filter(|facts| facts.name == name))
    }

    /// All sessions, the oldest first.
    fn all(&self) -> Result<Vec<Session>, SessionError> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(SessionError::of(&self.0))?.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".json")).filter(|it| is_name(it)) else {
                continue;
            };
            let Some(facts) = self.read(name)? else { continue };
            let state = match facts.ended {
                Some(_) => State::Ended,
                None if self.answers(name) => State::Running,
                None => State::Lost,
            };
            all.push(Session { facts, state });
        }
        all.sort_by(|a, b| (a.facts.started, &a.facts.name).cmp(&(b.facts.started, &b.facts.name)));
        Ok(all)
    }

    fn forget_old(&self) -> Result<(), SessionError> {
        let over: Vec<Session> = self.all()?.into_iter().filter(|it| it.state != State::Running).collect();
        for session in &over[..over.len().saturating_sub(ENDED_MAX)] {
            remove(&self.file(&session.facts.name, "json")?)?;
            remove(&self.socket(&session.facts.name)?)?;
        }
        Ok(())
    }

    /// Held until the file is dropped.
    fn lock(&self) -> Result<File, SessionError> {
        let path = self.0.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(SessionError::of(&path))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| SessionError::of(&path)(error.into()))?;
        Ok(file)
    }

    fn file(&self, name: &str, kind: &str) -> Result<PathBuf, SessionError> {
        if is_name(name) { Ok(self.0.join(format!("{name}.{kind}"))) } else { Err(SessionError::Name(name.to_owned())) }
    }
}

/// The sessions of this user, the oldest first.
///
/// # Errors
/// If the folder cannot be read, or belongs to another user.
pub fn list(sessions: &Path) -> Result<Vec<Session>, SessionError> {
    Store::open(sessions)?.all()
}

fn remove(path: &Path) -> Result<(), SessionError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SessionError::of(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::facts::Ended;

    fn facts(name: String) -> Facts {
        Facts { name, program: "sh".to_owned(), started: 1, attached: 0, ended: None, seen: false }
    }

    #[tokio::test]
    async fn a_name_is_free_again_after_its_session() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("ours");
        let (first, listener) = store.claim("claude", facts).expect("free");
        let (second, _other) = store.claim("claude", facts).expect("free");
        assert_eq!((first.name.as_str(), second.name.as_str()), ("claude", "claude-2"));
        let states = || list(folder.path()).expect("readable").into_iter().map(|it| it.state).collect::<Vec<_>>();
        assert_eq!(states(), [State::Running, State::Running]);
        // Killed: the socket is there, and nobody listens.
        drop(listener);
        assert_eq!(states(), [State::Lost, State::Running]);
        store.write(&Facts { ended: Some(Ended { code: 3, at: 2 }), ..first }).expect("written");
        assert_eq!(states(), [State::Ended, State::Running]);
        let (again, _listener) = store.claim("claude", facts).expect("free");
        assert_eq!((again.name.as_str(), states()), ("claude", vec![State::Running, State::Running]));
    }

    #[test]
    fn only_the_newest_ends_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("ours");
        for number in 0..30 {
            let ended = Some(Ended { code: 0, at: number });
            store.write(&Facts { started: number, ended, ..facts(format!("s-{number}")) }).expect("written");
        }
        store.forget_old().expect("removed");
        let kept = list(folder.path()).expect("readable");
        assert_eq!((kept.len(), kept[0].facts.started), (ENDED_MAX, 10));
    }

    #[test]
    fn a_folder_of_others_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join(geteuid().as_raw().to_string());
        fs::create_dir(&own).expect("created");
        fs::set_permissions(&own, fs::Permissions::from_mode(0o750)).expect("set");
        assert!(matches!(Store::open(folder.path()), Err(SessionError::Foreign(_))));
        fs::remove_dir(&own).expect("removed");
        let elsewhere = tempfile::tempdir().expect("a folder");
        symlink(elsewhere.path(), &own).expect("linked");
        assert!(matches!(Store::open(folder.path()), Err(SessionError::Foreign(_))));
    }
}

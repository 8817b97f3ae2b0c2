//! Appending to the log: lock, repair after a crash, write, sync and head, in this order.

use std::collections::BTreeMap;
use std::fs::{OpenOptions, rename};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use super::chain::{Fault, Link};
use super::entry::{Body, Entry, Phase};
use super::files::{Files, refused};
use super::head::Head;
use super::key::{PublicKey, SecretKey};
use super::standing::{Known, Open, Standing};
use super::verify::Broken;
use super::{AuditError, Verdict};
use crate::clock::{Clock, written};
use crate::local::private;

/// An audit log that can be appended to.
pub struct Audit {
    files: Files,
    key: SecretKey,
    /// The writing process and its clock.
    writer: Writer,
    /// Serialises appends within this process, as the file lock is per process. Holds the end of the log, so that the
    /// process does not read its own entries again: a hundred agents write much before the next head.
    turn: Mutex<Option<Known>>,
    /// Announced intents of this process that were not started.
    pub(super) waiting: Mutex<BTreeMap<u64, Waiting>>,
}

/// The writing process.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The command, for example `apply`.
    pub command: String,
    pub pid: u32,
    pub clock: Clock,
}

/// The subject of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub run: Option<String>,
    pub agent: Option<String>,
    pub engine: Option<String>,
}

/// An announced intent that was not started: the data that closes it.
pub(super) struct Waiting {
    pub event: &'static str,
    pub about: About,
}

/// When an append reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    /// Before the call returns, with an updated head.
    Now,
    /// With the next append that is synced.
    Later,
}

/// The first entry of every log.
pub const STARTED: &str = "log_started";

impl Audit {
    /// Opens the log below `state_dir`, and starts one if none exists.
    ///
    /// # Errors
    /// If the log cannot be written, or is broken.
    pub fn open(state_dir: &Path, writer: Writer) -> Result<Self, AuditError> {
        let files = Files::below(state_dir);
        files.create_folder()?;
        let _lock = files.lock()?;
        let (key, is_new) = match SecretKey::read(&files.key) {
            // A log cannot be continued without its key. A new key is only created for a new log.
            Err(AuditError::NoKey { .. }) if !files.head.exists() && is_empty(&files.log) => {
                (SecretKey::create(&files.key)?, true)
            }
            key => (key?, false),
        };
        let audit = Self { files, key, writer, turn: Mutex::default(), waiting: Mutex::default() };
        let mut standing = audit.standing(None)?;
        if is_new || standing.link.seq == 0 {
            audit.begin(&mut standing, Map::new())?;
        } else if !audit.files.head.exists() {
            audit.write_head(&standing)?;
        }
        Ok(audit)
    }

    pub fn public_key(&self) -> PublicKey {
        self.key.public()
    }

    /// Logs the intent of a change; it is on disk when this returns. Returns its number.
    ///
    /// # Errors
    /// If it is not on disk. In that case the change must not be made.
    pub fn intent(&self, event: &str, about: &About, data: Map<String, Value>) -> Result<u64, AuditError> {
        self.append(&[self.body(event, Phase::Intent, about, data)], Durable::Now)
    }

    /// Logs the outcome of an intent.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn outcome(
        &self,
        intent: u64,
        event: &str,
        result: Verdict,
        about: &About,
        data: Map<String, Value>,
    ) -> Result<(), AuditError> {
        let body = Body { of: Some(intent), result: Some(result), ..self.body(event, Phase::Outcome, about, data) };
        self.append(&[body], Durable::Later).map(drop)
    }

    /// Logs a fact.
    ///
    /// # Errors
    /// If it is not on disk.
    pub fn fact(&self, event: &str, about: &About, data: Map<String, Value>) -> Result<(), AuditError> {
        self.append(&[self.body(event, Phase::Fact, about, data)], Durable::Now).map(drop)
    }

    /// Closes open intents of a run on an engine with the result `unknown`, if their process is over. Returns how many.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn settle(&self, about: &About, is_over: impl Fn(&Entry) -> bool) -> Result<usize, AuditError> {
        let mut left = Vec::new();
        {
            let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let _lock = self.files.lock()?;
            let mut standing = self.standing(turn.as_ref())?;
            standing.read(&self.files.log)?;
            left.extend(standing.open.values().filter_map(Open::entry).cloned());
            // The next agent of this process needs the same.
            *turn = Known::of(standing);
        }
        left.retain(|entry| entry.body.run == about.run && entry.body.engine == about.engine && is_over(entry));
        for entry in &left {
            self.outcome(entry.seq, &entry.body.event, Verdict::Unknown, about, Map::new())?;
        }
        Ok(left.len())
    }

    /// Ends a command: logs announced intents that were not started as skipped, and syncs the log.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn close(&self) -> Result<(), AuditError> {
        self.append(&self.skipped(|_| true), Durable::Later)?;
        self.flush()
    }

    /// Syncs the log and updates the head.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn flush(&self) -> Result<(), AuditError> {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = self.files.lock()?;
        let standing = self.standing(turn.as_ref())?;
        let known = Head::text(&self.files.head)?.and_then(|text| Head::parse(&text, &self.public_key()));
        if known.is_some_and(|head| head.seq == standing.link.seq) {
            return Ok(());
        }
        standing.log.sync_data().map_err(|source| refused(&self.files.log, source))?;
        self.write_head(&standing)
    }

    /// Sets the log aside unchanged and starts a new one, whose first entries name the end of the old one.
    ///
    /// # Errors
    /// If the files cannot be moved.
    pub fn rotate(state_dir: &Path, writer: Writer) -> Result<Self, AuditError> {
        let files = Files::below(state_dir);
        files.create_folder()?;
        let stamp = written(writer.clock.now()).replace(':', "-");
        let lock = files.lock()?;
        let end = Head::text(&files.head)?.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let mut moved = Vec::new();
        for (name, path) in [("head.json", &files.head), ("log.jsonl", &files.log)] {
            let to = files.aside(name, &stamp);
            match rename(path, &to) {
                Ok(()) => moved.push(to.file_name().unwrap_or_default().to_string_lossy().into_owned()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(refused(path, source)),
            }
        }
        // A valid key is kept, so that it verifies both logs. An invalid one is set aside with the log.
        if matches!(SecretKey::read(&files.key), Err(AuditError::BadKey { .. })) {
            let to = files.aside("key", &stamp);
            rename(&files.key, &to).map_err(|source| refused(&files.key, source))?;
        }
        drop(lock);
        let audit = Self::open(state_dir, writer)?;
        let mut data = Map::from_iter([("files".to_owned(), Value::from(moved))]);
        for field in ["seq", "hash"] {
            if let Some(value) = end.as_ref().and_then(|head| head.get(field)) {
                data.insert(field.to_owned(), value.clone());
            }
        }
        audit.fact("log_continues", &About::default(), data)?;
        Ok(audit)
    }

    pub(super) fn body(&self, event: &str, phase: Phase, about: &About, data: Map<String, Value>) -> Body {
        Body {
            time: written(self.writer.clock.now()),
            event: event.to_owned(),
            phase,
            of: None,
            result: None,
            run: about.run.clone(),
            agent: about.agent.clone(),
            engine: about.engine.clone(),
            command: self.writer.command.clone(),
            pid: self.writer.pid,
            data,
        }
    }

    /// Appends entries and returns the number of the last one.
    pub(super) fn append(&self, bodies: &[Body], durable: Durable) -> Result<u64, AuditError> {
        if bodies.is_empty() {
            return Ok(0);
        }
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = self.files.lock()?;
        // After a failure the end of the log is unknown.
        let known = turn.take();
        let mut standing = self.standing(known.as_ref())?;
        self.add(&mut standing, bodies)?;
        if durable == Durable::Now {
            standing.log.sync_data().map_err(|source| refused(&self.files.log, source))?;
            self.write_head(&standing)?;
        }
        let seq = standing.link.seq;
        *turn = Known::of(standing);
        Ok(seq)
    }

    fn begin(&self, standing: &mut Standing, data: Map<String, Value>) -> Result<(), AuditError> {
        let mut data = data;
        data.insert("key".to_owned(), Value::from(self.public_key().to_string()));
        let body = self.body(STARTED, Phase::Fact, &About::default(), data);
        self.add(standing, &[body])?;
        standing.log.sync_all().map_err(|source| refused(&self.files.log, source))?;
        self.write_head(standing)
    }

    fn add(&self, standing: &mut Standing, bodies: &[Body]) -> Result<(), AuditError> {
        let (mut lines, mut end) = (String::new(), standing.link.clone());
        for body in bodies {
            let (line, next) = end.next(body, &self.key);
            lines.push_str(&line);
            end = next;
        }
        // A single write: after a crash, the log has some of the lines and possibly the start of another.
        if let Err(source) = standing.log.write_all(lines.as_bytes()) {
            // A full disk may have accepted a part. Intents of changes that are not made must not remain.
            let _ = standing.log.set_len(standing.bytes);
            return Err(refused(&self.files.log, source));
        }
        standing.bytes += lines.len() as u64;
        for (seq, body) in (standing.link.seq + 1..).zip(bodies) {
            standing.note(seq, body.phase, body.of, Open::Own);
        }
        standing.link = end;
        Ok(())
    }

    fn write_head(&self, standing: &Standing) -> Result<(), AuditError> {
        let open = standing.open.keys().copied().collect();
        Head::of(&standing.link, standing.bytes, open).write(&self.files.head, &self.key)
    }

    /// Returns the end of the log, after it removed a partial line left by a crash.
    ///
    /// Reads only from the last head, or from the last append of this process; `verify` checks the whole log.
    fn standing(&self, known: Option<&Known>) -> Result<Standing, AuditError> {
        let path = &self.files.log;
        let open = private::open(OpenOptions::new().read(true).append(true).create(true), path);
        let mut log = open.map_err(|source| refused(path, source))?;
        let facts = log.metadata().map_err(|source| refused(path, source))?;
        let length = facts.len();
        let broken = |entry, why: &str| AuditError::Broken(Broken { entry, why: why.to_owned() });
        let head = match Head::text(&self.files.head)? {
            None => None,
            Some(text) => match Head::parse(&text, &self.public_key()) {
                Some(head) => Some(head),
                None => return Err(self.unsigned(&text)),
            },
        };
        let known = known.filter(|known| {
            let is_further = head.as_ref().is_some_and(|head| known.bytes >= head.bytes);
            is_further && known.bytes <= length && known.file == (facts.dev(), facts.ino())
        });
        let (mut link, from, open) = match (known, &head) {
            (Some(known), _) => (known.link.clone(), known.bytes, known.open.clone()),
            (None, Some(head)) => (head.link(), head.bytes, head.open.iter().map(|seq| (*seq, Open::Unread)).collect()),
            (None, None) => (Link::start(), 0, BTreeMap::new()),
        };
        if length < from {
            return Err(broken(link.seq, "the log is truncated: its head lists more entries"));
        }
        let mut tail = Vec::new();
        let read = log.seek(SeekFrom::Start(from)).and_then(|_| log.read_to_end(&mut tail));
        read.map_err(|source| refused(path, source))?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut standing = Standing { log, link: link.clone(), bytes: from + whole as u64, open };
        for line in tail[..whole].split_inclusive(|byte| *byte == b'\n') {
            let checked = link.check(&line[..line.len() - 1], &self.public_key());
            let (entry, next) = checked.map_err(|fault| match fault {
                Fault::Version(_) => AuditError::Newer { path: path.clone() },
                fault => broken(link.seq + 1, &fault.to_string()),
            })?;
            link = next;
            standing.note(entry.seq, entry.body.phase, entry.body.of, Open::Read(Box::new(entry)));
        }
        if head.is_none() && link.seq > 1 {
            // The head is written with the first entry.
            return Err(broken(1, "the head of the log is missing"));
        }
        standing.link = link;
        if whole < tail.len() {
            standing.log.set_len(standing.bytes).map_err(|source| refused(path, source))?;
        }
        Ok(standing)
    }

    /// Returns why a head is not valid.
    fn unsigned(&self, text: &str) -> AuditError {
        let version = serde_json::from_str::<Value>(text).ok().and_then(|head| head.get("v")?.as_u64());
        match version {
            Some(version) if version > u64::from(super::chain::VERSION) => {
                AuditError::Newer { path: self.files.head.clone() }
            }
            _ => AuditError::Broken(Broken {
                entry: 0,
                why: "the head was changed, or signed by another key".to_owned(),
            }),
        }
    }
}

fn is_empty(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.len() == 0) || !path.exists()
}

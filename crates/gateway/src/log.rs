//! The log of decisions: JSON lines in two files of a limited size.
//!
//! A thread of its own writes, so that a slow disk holds up no connection. Entries that it cannot take are counted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use moat_policy::{GrantName, HostName};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// A line of the log.
///
/// A connection that passes has two with the same id: one at its start, and one at its end, with the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from the start of the gateway.
    pub id: u64,
    pub plane: Plane,
    pub client: IpAddr,
    /// `None`: the client gave no valid name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<HostName>,
    pub port: u16,
    /// Of a request that the agent plane has read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The same, without the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The grant whose credential the request gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantName>,
    pub decision: Decision,
    /// The rule that allows it, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Bytes from the client; for HTTP, of the body. Only at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<u64>,
    /// Bytes to the client; for HTTP, of the body. Only at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
}

/// A line of the log, as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// RFC 3339, in UTC.
    pub time: String,
    #[serde(flatten)]
    pub entry: Entry,
}

/// The files of the log in the folder of the gateway's state, the earlier one first.
pub const LOG_FILES: [&str; 2] = [PREVIOUS, CURRENT];

/// How the gateway got the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plane {
    Dns,
    Http,
    Tls,
    /// A port that a rule names.
    Tcp,
    /// The proxy, which a program was configured to use.
    Agent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Allow,
    /// No rule allows it; the mode does.
    Learn,
    Deny,
}

/// Why a connection was denied or ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No rule allows the host on this port.
    NoRule,
    /// Rules for requests concern the host, and this plane reads none.
    AgentPlane,
    /// No rule allows the request.
    Request,
    /// The gateway has no value for the grant.
    Locked,
    /// The request has the placeholder of a grant that does not concern the host.
    Placeholder,
    /// The client named no host.
    NoName,
    /// The client named two hosts.
    Mismatch,
    /// What the client sent is not the protocol of the port.
    Malformed,
    /// The client did not name a host in time.
    Timeout,
    /// The name leads to an address that no rule names.
    Address,
    /// The table of connections is full.
    Full,
    /// The name could not be resolved.
    Unresolved,
    /// The server could not be reached.
    Unreachable,
    /// The client does not accept the certificate of the gateway, or breaks off before.
    Handshake,
    /// The certificate of the server is not valid.
    Certificate,
    /// New rules do not allow the connection.
    Revoked,
    /// Nothing was sent for too long.
    Idle,
    /// The gateway stops.
    Stopped,
    /// A peer broke the connection off.
    Broken,
}

/// Where decisions are written.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    next: Arc<AtomicU64>,
}

enum Message {
    Entry(Box<Entry>),
    Flush(oneshot::Sender<()>),
}

/// Entries that wait for the disk: less than 1 MB.
const QUEUE: usize = 2048;

/// The file that is written.
const CURRENT: &str = "decisions.jsonl";

/// The file before it.
const PREVIOUS: &str = "decisions.1.jsonl";

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    entry: &'a Entry,
}

impl Log {
    /// Continues the log in a folder.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        let file = LogFile::open(folder.to_owned(), bytes_max)?;
        let (sender, receiver) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        thread::Builder::new().name("log".into()).spawn(move || write_all(file, &receiver, &counter))?;
        Ok(Self { sender, lost, next: Arc::new(AtomicU64::new(1)) })
    }

    /// A new id.
    pub fn id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes an entry soon; counts it as lost if too many wait.
    pub fn write(&self, entry: Entry) {
        if self.sender.try_send(Message::Entry(Box::new(entry))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Entries that were not written.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until everything before is in the file.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        let mut message = Message::Flush(done);
        // The queue may be full; the thread empties it.
        while let Err(std::sync::mpsc::TrySendError::Full(back)) = self.sender.try_send(message) {
            message = back;
            tokio::task::yield_now().await;
        }
        let _ = wait.await;
    }
}

fn write_all(mut file: LogFile, receiver: &Receiver<Message>, lost: &AtomicU64) {
    while let Ok(message) = receiver.recv() {
        match message {
            Message::Entry(entry) => {
                if let Err(error) = file.write(&entry) {
                    lost.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!("cannot write the log: {error}");
                }
            }
            Message::Flush(done) => drop(done.send(())),
        }
    }
}

/// The file that is written, and its size.
struct LogFile {
    folder: PathBuf,
    file: File,
    size: u64,
    size_max: u64,
}

impl LogFile {
    fn open(folder: PathBuf, size_max: u64) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(folder.join(CURRENT))?;
        let mut size = file.seek(SeekFrom::End(0))?;
        if size > 0 {
            // A line that a crash has cut stays apart from the next one.
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                size += 1;
            }
        }
        Ok(Self { folder, file, size, size_max })
    }

    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line { time: jiff::Timestamp::now().to_string(), entry })?;
        line.push(b'\n');
        let length = line.len() as u64;
        if self.size > 0 && self.size + length > self.size_max {
            fs::rename(self.folder.join(CURRENT), self.folder.join(PREVIOUS))?;
            self.file = OpenOptions::new().create(true).append(true).open(self.folder.join(CURRENT))?;
            self.size = 0;
        }
        self.file.write_all(&line)?;
        self.size += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u64) -> Entry {
        Entry {
            id,
            plane: Plane::Tls,
            client: IpAddr::from([10, 83, 0, 18]),
            name: "evil.example".parse().ok(),
            port: 443,
            method: None,
            path: None,
            grant: None,
            decision: Decision::Deny,
            rule: None,
            reason: Some(Reason::NoRule),
            sent: None,
            received: None,
        }
    }

    #[test]
    fn a_line_has_only_what_is_known() {
        let line = serde_json::to_string(&entry(7)).unwrap();
        let expected = r#"{"id":7,"plane":"tls","client":"10.83.0.18","name":"evil.example","port":443,"decision":"deny","reason":"no-rule"}"#;
        assert_eq!(line, expected);
        assert_eq!(serde_json::from_str::<Entry>(&line).unwrap(), entry(7));
    }

    #[tokio::test]
    async fn two_files_of_a_limited_size_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path(), 2000).unwrap();
        for id in 1..=1000 {
            log.write(entry(id));
        }
        log.flush().await;
        assert_eq!(log.lost(), 0);
        let texts = [PREVIOUS, CURRENT].map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
        assert!(texts.iter().all(|text| text.len() <= 2000), "a file is too large");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        let lines: Vec<Entry> =
            texts.iter().flat_map(|text| text.lines()).map(|line| serde_json::from_str(line).unwrap()).collect();
        let ids: Vec<u64> = lines.iter().map(|entry| entry.id).collect();
        assert!(ids.len() > 10 && ids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{ids:?}");
        assert_eq!(ids.last(), Some(&1000), "the latest entries are kept");
    }

    #[tokio::test]
    async fn a_truncated_line_damages_no_other() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CURRENT), "{\"id\":1,\"pla").unwrap();
        let log = Log::open(folder.path(), 2000).unwrap();
        log.write(entry(5));
        log.flush().await;
        let text = fs::read_to_string(folder.path().join(CURRENT)).unwrap();
        let last = text.lines().last().unwrap();
        assert_eq!(serde_json::from_str::<Entry>(last).unwrap().id, 5);
    }
}

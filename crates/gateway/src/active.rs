//! The active policy: read at the start, replaced in place, watched by every connection.
//!
//! Without readable rules, everything is denied.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use moat_policy::{HostName, POLICY_MAX, Policy, Port, UnreadablePolicy, Verdict};
use tokio::sync::watch;

/// A policy in force.
#[derive(Debug)]
pub(crate) struct Active {
    /// Counts from 1.
    pub version: u64,
    pub policy: Policy,
    /// `None`: there are no readable rules.
    pub digest: Option<String>,
    /// Why there are none.
    pub fault: Option<String>,
}

/// The place of the active policy.
#[derive(Debug)]
pub(crate) struct Rules {
    active: watch::Sender<Arc<Active>>,
    path: PathBuf,
    /// Held while rules are replaced, so that the file and the active policy are the same.
    writing: Mutex<()>,
}

/// Why rules cannot be put in force. Those before stay.
#[derive(Debug, thiserror::Error)]
pub enum UnusableRules {
    #[error(transparent)]
    Unreadable(#[from] UnreadablePolicy),
    #[error("cannot write the rules: {0}")]
    Write(#[from] io::Error),
}

impl Rules {
    /// The rules of a file. Never fails: without readable rules, everything is denied.
    pub fn load(path: PathBuf) -> Self {
        let active = match read(&path) {
            Ok(policy) => Active::new(1, policy),
            Err(fault) => {
                tracing::warn!("{}: {fault}; everything is denied", path.display());
                Active { version: 1, policy: Policy::deny_all(), digest: None, fault: Some(fault) }
            }
        };
        Self { active: watch::Sender::new(Arc::new(active)), path, writing: Mutex::new(()) }
    }

    /// The active policy, and its changes from now on.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Active>> {
        self.active.subscribe()
    }

    pub fn current(&self) -> Arc<Active> {
        Arc::clone(&self.active.borrow())
    }

    /// Puts rules in force, and keeps them for the next start. Returns their version. Blocks.
    ///
    /// # Errors
    /// If the rules are not readable or cannot be written. The rules before then stay in force.
    pub fn replace(&self, text: &str) -> Result<u64, UnusableRules> {
        let policy = Policy::from_json(text)?;
        let _guard = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let new = self.path.with_extension("new");
        let mut file = fs::File::create(&new)?;
        file.write_all(policy.to_json().as_bytes())?;
        file.sync_data()?;
        fs::rename(&new, &self.path)?;
        let version = self.current().version + 1;
        self.active.send_replace(Arc::new(Active::new(version, policy)));
        Ok(version)
    }
}

impl Active {
    fn new(version: u64, policy: Policy) -> Self {
        Self { version, digest: Some(policy.digest()), policy, fault: None }
    }

    /// Whether a connection to this name and address may go on.
    pub fn allows(&self, name: &HostName, port: Port, address: IpAddr) -> bool {
        match self.policy.decide(name, port) {
            Verdict::Denied => false,
            verdict => verdict.check_address(address).is_ok(),
        }
    }
}

/// Waits until the rules no longer allow a connection.
pub(crate) async fn revoked(rules: &mut watch::Receiver<Arc<Active>>, name: &HostName, port: Port, address: IpAddr) {
    while rules.changed().await.is_ok() {
        if !rules.borrow_and_update().allows(name, port, address) {
            return;
        }
    }
    // The gateway stops, and ends its connections itself.
    std::future::pending::<()>().await;
}

fn read(path: &PathBuf) -> Result<Policy, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > POLICY_MAX as u64 {
        return Err(format!("the file has {size} bytes; the maximum is {POLICY_MAX}"));
    }
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    Policy::from_json(&text).map_err(|error| error.to_string())
}

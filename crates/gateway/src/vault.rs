//! The values of grants: in the memory of this process and nowhere else.
//!
//! A value belongs to the very grant that it was given for. If the policy has another one of this name, the grant is locked.
//! Only the names of revoked grants are kept over a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use jiff::Timestamp;
use moat_policy::{Grant, GrantName, GrantedHost, Policy};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::secret::Secret;

/// The values.
#[derive(Debug)]
pub(crate) struct Vault {
    held: Mutex<BTreeMap<GrantName, Held>>,
    uses: Mutex<BTreeMap<GrantName, Uses>>,
    /// The grants that a user has revoked.
    revoked: Mutex<BTreeSet<GrantName>>,
    /// The file of their names.
    file: PathBuf,
    /// Counts how often values were taken away.
    locked: watch::Sender<u64>,
}

#[derive(Debug)]
struct Held {
    grant: Grant,
    value: Secret,
    digest: Option<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    count: u64,
    last: Option<Timestamp>,
    refused: Option<Timestamp>,
}

/// A value for a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantValue {
    pub value: Secret,
    /// A digest of the value for the status, opaque here. Without the key it does not reveal the value.
    #[serde(default)]
    pub digest: Option<String>,
    /// Whether a revoked grant gets the value, too.
    #[serde(default)]
    pub restore: bool,
}

/// A grant in the status of a gateway. Never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantStatus {
    pub name: GrantName,
    /// The gateway has no value, so its hosts cannot be reached.
    pub locked: bool,
    /// A user took the value away, and has not restored the grant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// The digest that came with the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Requests since the start of the gateway.
    pub uses: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
    /// When a server last answered that the credential is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Why values are not taken. No message has a value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the policy has no grant `{0}`")]
    Unknown(GrantName),
    #[error("the value of the grant `{0}` cannot be a header: it is empty, too long, or has spaces or line breaks")]
    Unusable(GrantName),
    #[error("cannot store the revocation of a grant: {0}")]
    Write(#[from] io::Error),
}

/// The file with the names of revoked grants, in the folder of the state.
const REVOKED: &str = "revoked.json";

/// Longer than any token.
const VALUE_MAX: usize = 16 * 1024;

impl Vault {
    /// An empty vault.
    ///
    /// # Errors
    /// If the names of revoked grants cannot be read: an unlock could restore one.
    pub fn open(state: &Path) -> io::Result<Self> {
        let file = state.join(REVOKED);
        let revoked = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => return Err(error),
        };
        let (held, uses, locked) = (Mutex::default(), Mutex::default(), watch::Sender::default());
        Ok(Self { held, uses, revoked: Mutex::new(revoked), file, locked })
    }

    /// Takes values for grants of the policy: all or none. A revoked grant stays without, unless it is to be restored.
    pub fn unlock(&self, policy: &Policy, values: BTreeMap<GrantName, GrantValue>) -> Result<(), Refused> {
        let mut revoked = self.revoked();
        let mut left = revoked.clone();
        let mut new = Vec::new();
        for (name, GrantValue { value, digest, restore }) in values {
            let grant = policy.grants().iter().find(|grant| grant.name == name);
            let grant = grant.ok_or_else(|| Refused::Unknown(name.clone()))?.clone();
            let text = value.expose();
            if text.is_empty() || text.len() > VALUE_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Refused::Unusable(name));
            }
            if restore {
                left.remove(&name);
            }
            if !left.contains(&name) {
                new.push((name, Held { grant, value, digest }));
            }
        }
        self.keep(&mut revoked, left)?;
        let (mut held, mut uses) = (self.held(), self.uses());
        for (name, new) in new {
            // A refusal was about the value before.
            let is_same = held.get(&name).is_some_and(|old| old.value == new.value);
            if let (false, Some(uses)) = (is_same, uses.get_mut(&name)) {
                uses.refused = None;
            }
            held.insert(name, new);
        }
        Ok(())
    }

    /// Forgets the values of grants until they are restored, and ends what uses them.
    pub fn revoke(&self, policy: &Policy, names: Vec<GrantName>) -> Result<(), Refused> {
        if let Some(unknown) = names.iter().find(|name| policy.grants().iter().all(|grant| grant.name != **name)) {
            return Err(Refused::Unknown(unknown.clone()));
        }
        let mut revoked = self.revoked();
        self.held().retain(|name, _| !names.contains(name));
        self.locked.send_modify(|count| *count += 1);
        let more = revoked.iter().cloned().chain(names).collect();
        Ok(self.keep(&mut revoked, more)?)
    }

    /// Notes that a server has refused a credential.
    pub fn refused(&self, grant: &Grant) {
        self.uses().entry(grant.name.clone()).or_default().refused = Some(Timestamp::now());
    }

    /// Keeps the names of revoked grants for the next start.
    fn keep(&self, revoked: &mut BTreeSet<GrantName>, new: BTreeSet<GrantName>) -> io::Result<()> {
        if *revoked != new {
            let next = self.file.with_extension("new");
            fs::write(&next, serde_json::to_vec(&new)?)?;
            fs::rename(&next, &self.file)?;
            *revoked = new;
        }
        Ok(())
    }

    /// Forgets values that the policy has no grant for.
    pub fn follow(&self, policy: &Policy) {
        self.held().retain(|_, held| policy.grants().contains(&held.grant));
        let has = |name: &GrantName| policy.grants().iter().any(|grant| grant.name == *name);
        self.uses().retain(|name, _| has(name));
        let mut revoked = self.revoked();
        let left = revoked.iter().filter(|name| has(name)).cloned().collect();
        if let Err(error) = self.keep(&mut revoked, left) {
            tracing::warn!("cannot remove revocations: {error}");
        }
    }

    /// Whether a grant has a value.
    pub fn holds(&self, grant: &Grant) -> bool {
        self.held().get(&grant.name).is_some_and(|held| held.grant == *grant)
    }

    /// The header with the value; `None`: the grant is locked.
    pub fn header(&self, grant: &Grant, host: &GrantedHost) -> Option<HeaderValue> {
        let held = self.held();
        let value = held.get(&grant.name).filter(|held| held.grant == *grant)?.value.expose();
        let (scheme, before, after) = host.format.parts();
        let text = Zeroizing::new([before, value, after].concat());
        let text = match scheme {
            Some(scheme) => {
                let encoded = Zeroizing::new(STANDARD.encode(text.as_bytes()));
                Zeroizing::new([scheme, encoded.as_str()].concat())
            }
            None => text,
        };
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        drop(held);
        let mut uses = self.uses();
        let uses = uses.entry(grant.name.clone()).or_default();
        uses.count += 1;
        uses.last = Some(Timestamp::now());
        Some(header)
    }

    /// Changes when values are taken away.
    pub fn locks(&self) -> watch::Receiver<u64> {
        self.locked.subscribe()
    }

    /// The grants of the policy.
    pub fn status(&self, policy: &Policy) -> Vec<GrantStatus> {
        let (revoked, held, uses) = (self.revoked(), self.held(), self.uses());
        let status = |grant: &Grant| {
            let uses = uses.get(&grant.name).copied().unwrap_or_default();
            let last_used = uses.last.map(|time| time.to_string());
            let refused = uses.refused.map(|time| time.to_string());
            let held = held.get(&grant.name).filter(|held| held.grant == *grant);
            let digest = held.and_then(|held| held.digest.clone());
            let (locked, revoked) = (held.is_none(), revoked.contains(&grant.name));
            GrantStatus { name: grant.name.clone(), locked, revoked, digest, uses: uses.count, last_used, refused }
        };
        policy.grants().iter().map(status).collect()
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<GrantName, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn revoked(&self) -> MutexGuard<'_, BTreeSet<GrantName>> {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uses(&self) -> MutexGuard<'_, BTreeMap<GrantName, Uses>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

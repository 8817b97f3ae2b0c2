//! The values of grants: in the memory of this process and nowhere else.
//!
//! A value belongs to the very grant that it was given for. If the policy has another one of this name, the grant is locked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
#[derive(Debug, Default)]
pub(crate) struct Vault {
    held: Mutex<BTreeMap<GrantName, Held>>,
    uses: Mutex<BTreeMap<GrantName, Uses>>,
    /// Counts how often values were taken away.
    locked: watch::Sender<u64>,
}

#[derive(Debug)]
struct Held {
    grant: Grant,
    value: Secret,
}

#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    count: u64,
    last: Option<Timestamp>,
}

/// A grant in the status of a gateway. Never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantStatus {
    pub name: GrantName,
    /// The gateway has no value, so its hosts cannot be reached.
    pub locked: bool,
    /// Requests since the start of the gateway.
    pub uses: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
}

/// Why values are not taken. No message has a value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the policy has no grant `{0}`")]
    Unknown(GrantName),
    #[error("the value of the grant `{0}` cannot be a header: it is empty, too long, or has spaces or line breaks")]
    Unusable(GrantName),
}

/// Longer than any token.
const VALUE_MAX: usize = 16 * 1024;

impl Vault {
    /// Takes values for grants of the policy: all or none.
    pub fn unlock(&self, policy: &Policy, values: BTreeMap<GrantName, Secret>) -> Result<(), Refused> {
        let mut new = Vec::new();
        for (name, value) in values {
            let grant = policy.grants().iter().find(|grant| grant.name == name);
            let grant = grant.ok_or_else(|| Refused::Unknown(name.clone()))?.clone();
            let text = value.expose();
            if text.is_empty() || text.len() > VALUE_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Refused::Unusable(name));
            }
            new.push((name, Held { grant, value }));
        }
        self.held().extend(new);
        Ok(())
    }

    /// Forgets the values of grants, and ends what uses them.
    pub fn lock(&self, names: &[GrantName]) {
        self.held().retain(|name, _| !names.contains(name));
        self.locked.send_modify(|count| *count += 1);
    }

    /// Forgets values that the policy has no grant for.
    pub fn follow(&self, policy: &Policy) {
        self.held().retain(|_, held| policy.grants().contains(&held.grant));
        self.uses().retain(|name, _| policy.grants().iter().any(|grant| grant.name == *name));
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
        let uses = self.uses();
        let status = |grant: &Grant| {
            let uses = uses.get(&grant.name).copied().unwrap_or_default();
            let last_used = uses.last.map(|time| time.to_string());
            GrantStatus { name: grant.name.clone(), locked: !self.holds(grant), uses: uses.count, last_used }
        };
        policy.grants().iter().map(status).collect()
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<GrantName, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uses(&self) -> MutexGuard<'_, BTreeMap<GrantName, Uses>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

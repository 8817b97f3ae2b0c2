//! Secret values: those of the spec, and generated passwords for its dependencies.
//!
//! Does not store anything. A password is derived from this host's key and its purpose, so it is the same each time.

use std::collections::{BTreeMap, BTreeSet};

use crate::build::Build;
use crate::{Capability, Spec};
use moat_model::resource::{ResourceId, Run, Secret, SecretKey, SecretText};

/// The values of a run that only this host knows.
#[derive(Debug)]
pub struct Vault {
    pub key: SecretKey,
    /// Variables of the main container, by name.
    pub fetched: BTreeMap<String, SecretText>,
    /// Secrets of the build, by id; empty if they were not fetched.
    pub build: BTreeMap<String, SecretText>,
    /// Names of secrets that were not fetched, because their sources have not been approved.
    pub withheld: BTreeSet<String>,
    /// Values of grants, by name. Those that were not fetched are missing.
    pub grants: BTreeMap<String, SecretText>,
}

/// The placeholder for a capability's password.
const PASSWORD: &str = "{password}";

/// A vault and its run. Without a vault there are no secrets.
#[derive(Clone, Copy)]
pub(super) struct Sealer<'a> {
    pub vault: Option<&'a Vault>,
    pub run: &'a Run,
}

impl Sealer<'_> {
    /// The secrets of the main container. Those of the spec take precedence over those of its capabilities.
    pub fn main(&self, spec: &Spec, chosen: &[Capability]) -> BTreeMap<String, Secret> {
        let Some(vault) = self.vault else { return BTreeMap::new() };
        let brought = chosen.iter().flat_map(|capability| self.filled(capability, &capability.main.secrets));
        let mut values: BTreeMap<String, SecretText> =
            brought.filter(|(name, _)| !spec.env.contains_key(name)).collect();
        values.extend(vault.fetched.clone());
        let withheld = vault.withheld.iter().map(|name| (name.clone(), Secret::not_fetched()));
        self.sealed(&ResourceId::main(), values).into_iter().chain(withheld).collect()
    }

    /// The secrets of the build.
    pub fn build(&self, build: &Build) -> BTreeMap<String, Secret> {
        let Some(vault) = self.vault else { return BTreeMap::new() };
        let seal = |name: &String| match vault.build.get(name) {
            // No variable has a name with a space.
            Some(value) => Secret::new(value.clone(), &format!("{} build {name}", self.run.id), &vault.key),
            None => Secret::not_fetched(),
        };
        build.secrets.keys().map(|name| (name.clone(), seal(name))).collect()
    }

    /// The secrets of a sidecar.
    pub fn brought(
        &self,
        container: &ResourceId,
        capability: &Capability,
        texts: &BTreeMap<String, String>,
    ) -> BTreeMap<String, Secret> {
        self.sealed(container, self.filled(capability, texts))
    }

    /// Secrets of a container, each with its digest.
    pub fn sealed(
        &self,
        container: &ResourceId,
        values: impl IntoIterator<Item = (String, SecretText)>,
    ) -> BTreeMap<String, Secret> {
        let Some(vault) = self.vault else { return BTreeMap::new() };
        // For compatibility, the main container has no name in the digest.
        let of = if *container == ResourceId::main() { String::new() } else { format!("{} ", container.name) };
        let seal = |(name, value): (String, SecretText)| {
            let owner = format!("{} {of}{name}", self.run.id);
            let secret = Secret::new(value, &owner, &vault.key);
            (name, secret)
        };
        values.into_iter().map(seal).collect()
    }

    /// The value of a grant.
    pub fn grant(&self, name: &str) -> Secret {
        let Some(vault) = self.vault else { return Secret::not_fetched() };
        let Some(value) = vault.grants.get(name) else { return Secret::not_fetched() };
        Secret::new(value.clone(), &format!("{} grant {name}", self.run.id), &vault.key)
    }

    fn filled(&self, capability: &Capability, texts: &BTreeMap<String, String>) -> Vec<(String, SecretText)> {
        let Some(vault) = self.vault else { return Vec::new() };
        let password = vault.key.password(&format!("{} {}", self.run.id, capability.capability));
        let fill = |text: &String| SecretText::new(text.replace(PASSWORD, password.expose()));
        texts.iter().map(|(name, text)| (name.clone(), fill(text))).collect()
    }
}

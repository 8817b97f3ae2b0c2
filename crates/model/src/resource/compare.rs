//! Whether a configuration that was applied is the one that is wanted, but for what makes no container another one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::config::Config;
use super::mount;

/// An engine can change these while a container is there.
const LIMITS: &str = "limits";
const RESTART: &str = "restart";
/// No part of what was asked for.
const EXTRAS: &str = "extras";

impl Config {
    /// Whether a canonical text is of this configuration, but for what can be changed without making it anew.
    pub fn differs_only_in_place(&self, canonical: &str) -> bool {
        self.is_but_for(&[LIMITS, RESTART, EXTRAS], canonical)
    }

    /// Whether a canonical text is of this configuration, but for what nobody has asked for.
    pub fn is_but_for_extras(&self, canonical: &str) -> bool {
        self.is_but_for(&[EXTRAS], canonical)
    }

    fn is_but_for(&self, left_out: &[&str], canonical: &str) -> bool {
        let Self::Container(_) = self else { return false };
        let without = |text: &str| {
            let mut fields: BTreeMap<String, Value> = serde_json::from_str(text).ok()?;
            fields.retain(|field, _| !left_out.contains(&field.as_str()));
            // Until 0.1.0 they were among the others.
            if let Some(mounts) = fields.get_mut("mounts").and_then(Value::as_object_mut) {
                mount::without_repeated(mounts);
            }
            fields.retain(|field, value| field != "mounts" || value.as_object().is_none_or(|it| !it.is_empty()));
            Some(fields)
        };
        without(canonical).is_some_and(|applied| Some(applied) == without(&self.canonical()))
    }
}

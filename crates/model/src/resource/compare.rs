//! Comparison of applied and desired configurations, without fields that never need a new container.

use std::collections::BTreeMap;

use serde_json::Value;

use super::config::Config;
use super::mount;

/// Fields that an engine can change in place.
const LIMITS: &str = "limits";
const RESTART: &str = "restart";
/// Fields that are not part of the spec.
const EXTRAS: &str = "extras";

impl Config {
    /// Whether a canonical text equals this configuration, except for fields that can be changed in place.
    pub fn differs_only_in_place(&self, canonical: &str) -> bool {
        self.equals_except(&[LIMITS, RESTART, EXTRAS], canonical)
    }

    /// Whether a canonical text equals this configuration, except for moat's additions.
    pub fn equals_except_extras(&self, canonical: &str) -> bool {
        self.equals_except(&[EXTRAS], canonical)
    }

    fn equals_except(&self, left_out: &[&str], canonical: &str) -> bool {
        let Self::Container(_) = self else { return false };
        let without = |text: &str| {
            let mut fields: BTreeMap<String, Value> = serde_json::from_str(text).ok()?;
            fields.retain(|field, _| !left_out.contains(&field.as_str()));
            // Up to 0.1.0 they were stored with the others.
            if let Some(mounts) = fields.get_mut("mounts").and_then(Value::as_object_mut) {
                mount::without_repeated(mounts);
            }
            fields.retain(|field, value| field != "mounts" || value.as_object().is_none_or(|it| !it.is_empty()));
            Some(fields)
        };
        without(canonical).is_some_and(|applied| Some(applied) == without(&self.canonical()))
    }
}

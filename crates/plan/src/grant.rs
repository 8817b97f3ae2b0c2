//! The credentials of a gateway: given to the running container, because they are in its memory only.
//!
//! A gateway has none after its start, and keeps the names of those that a user has revoked. It shows a keyed digest of each
//! value, never the value.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::builder::PlanBuilder;
use super::{Action, Cause, FieldDiff, Handle, OpId};
use moat_model::graph::{Milestone, Node};
use moat_model::resource::{GrantConfig, ResourceId, gateway};
use moat_model::state::PolicyFacts;

pub(super) fn plan(draft: &mut PlanBuilder<'_>, node: &Node, config: &GrantConfig) {
    let Some(container) = draft.containers.get(&config.gateway).cloned() else { return };
    let facts = match &container {
        Handle::Known(id) => draft.observed.policies.get(id),
        Handle::From(_) => None,
    };
    let started = draft.reached(&config.gateway, Milestone::Started);
    let set = draft.reached(&ResourceId::policy(), Milestone::Created);
    let is_restored = draft.options.restored.contains(&node.id);
    let Some(cause) = cause(facts, &node.id.name, config, is_restored, !started.is_empty()) else { return };
    // The rules first: a gateway takes values for the grants of its rules only.
    let after: BTreeSet<OpId> = started.into_iter().chain(set).collect();
    let (command, grant, value) = (gateway::unlock(), node.id.name.clone(), config.value.clone());
    let action = Action::UnlockGrant { container, command, grant, value, restore: is_restored };
    let name = draft.graph.run.name_of(&node.id);
    let unlock = draft.add(&node.id, name, action, cause, after);
    draft.hold(&node.id, Milestone::Created, unlock);
}

/// Why a gateway needs the value; `None`: it has it, or must not have it.
fn cause(
    facts: Option<&PolicyFacts>,
    name: &str,
    config: &GrantConfig,
    is_restored: bool,
    is_started: bool,
) -> Option<Cause> {
    let Some(held) = facts.and_then(|facts| facts.grants.get(name)) else { return Some(Cause::Locked) };
    if held.revoked {
        return is_restored.then_some(Cause::Asked);
    }
    if held.locked || is_started || !facts.is_some_and(|facts| has_definition(facts, name, config)) {
        return Some(Cause::Locked);
    }
    let old = held.digest.as_deref().and_then(|digest| config.value.differs_from(digest))?;
    let (old, new) = (Some(json!(old)), Some(json!(config.value.digest())));
    Some(Cause::Changed(vec![FieldDiff { field: "value".to_owned(), old, new }]))
}

/// Whether the rules in force have the grant as it is desired. Otherwise the gateway forgets its value with the new rules.
/// Rules that are not known are compared as a whole.
fn has_definition(facts: &PolicyFacts, name: &str, config: &GrantConfig) -> bool {
    let Some(text) = &facts.text else { return true };
    let rules: Value = serde_json::from_str(text).unwrap_or_default();
    let definition: Value = serde_json::from_str(&config.definition).unwrap_or_default();
    rules["grants"].as_array().into_iter().flatten().any(|grant| grant["name"] == name && *grant == definition)
}

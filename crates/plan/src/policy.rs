//! The rules of a gateway: set in the running container, where the ones in force differ from the desired ones.
//!
//! A gateway keeps its rules over a restart, and denies everything without rules. So the order of operations decides only
//! when a sandbox can reach the outside, never whether it is restricted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::builder::PlanBuilder;
use super::{Action, Cause, Handle, diff};
use moat_model::graph::{Graph, Milestone, Node};
use moat_model::resource::{Config, ContainerId, PolicyConfig, gateway};
use moat_model::state::{ContainerState, Observed, PolicyFacts};

pub(super) fn plan(draft: &mut PlanBuilder<'_>, node: &Node, config: &PolicyConfig) {
    let Some(container) = draft.containers.get(&config.gateway).cloned() else { return };
    let in_force = match &container {
        Handle::Known(id) => draft.observed.policies.get(id),
        Handle::From(_) => None,
    };
    // Only a running gateway was asked. It keeps its rules over a restart.
    if in_force.is_some_and(|facts| facts.digest == Some(config.digest())) {
        return;
    }
    let started = draft.reached(&config.gateway, Milestone::Started);
    // A gateway that the engine is restarting takes no command yet.
    let is_awaited = started.is_empty() && in_force.is_none();
    let after = if is_awaited { draft.reached(&config.gateway, Milestone::Ready) } else { started };
    let (command, policy) = (gateway::set(), config.text.clone());
    let action = Action::SetPolicy { container, command, policy };
    let cause = cause(in_force, config);
    let name = draft.graph.run.name_of(&node.id);
    let set = draft.add(&node.id, name, action, cause, after);
    draft.hold(&node.id, Milestone::Created, set);
}

/// The running gateways, whose rules in force matter.
pub(super) fn gateways<'a>(graph: &'a Graph, observed: &'a Observed) -> impl Iterator<Item = &'a ContainerId> {
    let gateways = graph.nodes().filter_map(|node| match &node.config {
        Config::Policy(config) => Some(&config.gateway),
        _ => None,
    });
    let containers = gateways.flat_map(|gateway| observed.containers_of(gateway));
    containers.filter(|it| it.state == ContainerState::Running).map(|it| &it.id)
}

fn cause(in_force: Option<&PolicyFacts>, config: &PolicyConfig) -> Cause {
    let Some(text) = in_force.and_then(|facts| facts.text.as_ref()) else { return Cause::Missing };
    let diffs = diff::between(&by_rule(text), &by_rule(&config.text));
    if diffs.is_empty() { Cause::Missing } else { Cause::Changed(diffs) }
}

/// The rules keyed by their texts, so that a difference names the rule.
fn by_rule(text: &str) -> String {
    let mut policy: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(rules) = policy["rules"].as_array() {
        let keyed: BTreeMap<String, Value> = rules.iter().filter_map(row).collect();
        policy["rules"] = json!(keyed);
    }
    if let Some(grants) = policy["grants"].as_array() {
        let keyed: BTreeMap<String, Value> = grants.iter().filter_map(grant).collect();
        policy["grants"] = json!(keyed);
    }
    // It follows from the rules.
    policy.as_object_mut().and_then(|policy| policy.remove("version"));
    policy.to_string()
}

/// A grant with its requests, by host.
fn grant(grant: &Value) -> Option<(String, Value)> {
    let host = |host: &Value| {
        let requests: Vec<&str> = host["requests"].as_array()?.iter().filter_map(Value::as_str).collect();
        Some((host["host"].as_str()?.to_owned(), requests.join(", ")))
    };
    let hosts: BTreeMap<String, String> = grant["hosts"].as_array()?.iter().filter_map(host).collect();
    Some((grant["name"].as_str()?.to_owned(), json!(hosts)))
}

/// A rule with what it stands for, besides itself.
fn row(row: &Value) -> Option<(String, Value)> {
    let rule = row["rule"].as_str()?.to_owned();
    let hosts = row["hosts"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let hosts: Vec<&str> = hosts.filter(|host| *host != rule).collect();
    let value = if hosts.is_empty() { json!("allow") } else { json!(hosts.join(", ")) };
    Some((rule, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_rule() {
        let old =
            r#"{"version":1,"mode":"learn","rules":[{"rule":"a.example","hosts":["a.example"]}],"host_ports":[]}"#;
        let new = r#"{"version":1,"mode":"strict","rules":[{"rule":"@npm","hosts":["x.example","**.y.example"]}],"host_ports":[80]}"#;
        let diffs: Vec<String> = diff::between(&by_rule(old), &by_rule(new)).iter().map(ToString::to_string).collect();
        assert_eq!(
            diffs,
            [
                "host_ports [] -> [80]",
                r#"mode "learn" -> "strict""#,
                r#"rules.@npm unset -> "x.example, **.y.example""#,
                r#"rules.a.example "allow" -> unset"#,
            ]
        );
    }
}

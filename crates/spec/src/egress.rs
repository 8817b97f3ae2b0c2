//! The texts of network rules, and of ports of the Docker host.
//!
//! Adds to the parser of `moat-policy` what only a spec can know. Whether several rules fit together is checked when a
//! spec is lowered.

use std::collections::BTreeSet;

use moat_policy::{InvalidRule, Port, Rule, preset};

use super::diagnostic::quoted;
use super::ports;
use super::shape::Fault;
use super::suggest::suggest;
use super::tree::{Content, Node, Scalar};

/// The path of the list of rules.
pub(super) const RULES: &str = "network.rules";

/// Reads a rule.
pub(super) fn rule(text: &str) -> Result<Rule, Fault> {
    let rule: Rule = text.parse().map_err(|error: InvalidRule| Fault::new(error.to_string(), error.hint()))?;
    if let Rule::Host(host) = &rule
        && let Some(name) = host.hosts.single_name().filter(moat_policy::HostName::is_single_label)
    {
        let presets: BTreeSet<&str> = preset::names().collect();
        let hint = match suggest(name.as_str(), presets) {
            Some(preset) => format!("did you mean `@{preset}`?"),
            None => "write the full name, such as `example.com`; services of the sandbox need no rule".to_owned(),
        };
        return Err(Fault::new(format!("{} is not the name of an outside host", quoted(name.as_str())), hint));
    }
    Ok(rule)
}

/// Reads a port of the Docker host.
pub(super) fn host_port(text: &str) -> Result<Port, Fault> {
    match Port::new(ports::single(text)?) {
        Some(port) if port != Port::DNS => Ok(port),
        _ => Err(Fault::new("port 53 is the gateway's own", "names are resolved by the gateway; remove the port")),
    }
}

/// The error for a rule in the form `HOST: [REQUEST, …]`; `None`: another mistake.
pub(super) fn request_rule(path: &str, item: &Node) -> Option<Fault> {
    let Content::Map(entries) = &item.content else { return None };
    let [first, ..] = entries.as_slice() else { return None };
    let is_request = match &first.value.content {
        Content::Scalar(Scalar::Text, text) => matches!(text.parse::<Rule>(), Err(InvalidRule::Request)),
        Content::Scalar(..) => false,
        Content::List(_) | Content::Map(_) => true,
    };
    let host = &first.key;
    let hint = format!("allow the whole host: {}", quoted(&format!("- {host}")));
    (path == RULES && is_request).then(|| Fault::new(InvalidRule::Request.to_string(), hint))
}

//! The texts of network rules, and of ports of the Docker host.
//!
//! Adds to the parser of `moat-policy` what only a spec can know. Whether several rules fit together is checked when a
//! spec is lowered.

use std::collections::BTreeSet;

use moat_policy::{InvalidRule, Port, RequestRule, Rule, preset};

use super::diagnostic::quoted;
use super::ports;
use super::shape::Fault;
use super::suggest::suggest;
use super::tree::{Content, Entry, Node};

/// The path of the list of rules.
pub(super) const RULES: &str = "network.rules";

/// Reads a rule.
pub(super) fn rule(text: &str) -> Result<Rule, Fault> {
    let rule: Rule = text.parse().map_err(|error: InvalidRule| fault(&error))?;
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

/// Checks a host with rules for requests.
pub(super) fn limited_host(text: &str) -> Result<(), Fault> {
    // Any request: only the host is checked.
    Rule::with_requests(text, &["allow * /**"]).map(drop).map_err(|error| fault(&error))
}

/// Checks a rule for requests.
pub(super) fn request(text: &str) -> Result<(), Fault> {
    text.parse::<RequestRule>().map(drop).map_err(|error| Fault::new(error.to_string(), error.hint()))
}

/// Reads a host with rules for requests.
pub(super) fn limited(host: &str, requests: &[String]) -> Result<Rule, Fault> {
    let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
    Rule::with_requests(host, &requests).map_err(|error| fault(&error))
}

/// Checks certificates in PEM: only their form, because the gateway reads them.
pub(super) fn certificates(text: &str) -> Result<(), Fault> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    if text.contains("PRIVATE KEY-----") {
        return Err(Fault::new("a private key is no certificate", "remove the key: the certificate alone is needed"));
    }
    let parts: Vec<&str> = text.split(BEGIN).skip(1).collect();
    let is_whole = |part: &&str| {
        let body = part.split(END).next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c) || c.is_whitespace();
        part.contains(END) && body.chars().any(|c| !c.is_whitespace()) && body.chars().all(plain)
    };
    if !parts.is_empty() && parts.iter().all(is_whole) {
        return Ok(());
    }
    Err(Fault::new(
        "these are no certificates in PEM",
        format!("write the text of the file, from `{BEGIN}` on, after `|`"),
    ))
}

/// The error for rules for requests that are no list; `None`: another mistake, or none.
pub(super) fn request_rule(path: &str, item: &Node) -> Option<Fault> {
    let Content::Map(entries) = &item.content else { return None };
    let [Entry { key: host, value: Node { content: Content::Scalar(_, text), .. }, .. }] = entries.as_slice() else {
        return None;
    };
    let is_request = text.starts_with("allow ") || text.starts_with("deny ");
    let hint = format!("write {}", quoted(&format!("{host}: ['{text}']")));
    (path == RULES && is_request).then(|| Fault::new(format!("the requests to {} must be a list", quoted(host)), hint))
}

fn fault(error: &InvalidRule) -> Fault {
    Fault::new(error.to_string(), error.hint())
}

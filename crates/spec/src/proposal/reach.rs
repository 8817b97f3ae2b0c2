//! What the network of a proposal can reach, read from its lines, and what one proposal can reach beyond another.
//!
//! Compares meanings, not lines: `a.example` needs no approval after `**.example`.

use std::collections::BTreeMap;

use moat_policy::grant::GrantRow;
use moat_policy::{Entry, Grant, Mode, Policy, Port, Rule, Widening, widenings};

use super::change::Change;
use super::network_lines::{ALLOWED, GRANT, HOST_PORT, OUTSIDE, POLICY, listed};

/// The lines of a proposal.
type Lines = BTreeMap<String, String>;

/// Whether a line is about what the network can reach.
pub(super) fn is_about_reach(key: &str) -> bool {
    key == OUTSIDE || key == POLICY || key.starts_with(ALLOWED) || key.starts_with(HOST_PORT) || key.starts_with(GRANT)
}

/// The changes by which the network reaches more than was approved; `None`: the lines are those of another version.
pub(super) fn changes(approved: &Lines, proposed: &Lines) -> Option<Vec<Change>> {
    let (old, new) = (policy(approved)?, policy(proposed)?);
    let change = |key: String, new: String| Change { old: approved.get(&key).cloned(), key, new: Some(new) };
    let changes = widenings(new.as_ref(), old.as_ref()).into_iter().map(|widening| match widening {
        Widening::Open => change(OUTSIDE.to_owned(), "yes".to_owned()),
        Widening::Learn => change(POLICY.to_owned(), Mode::Learn.to_string()),
        Widening::Rule { rule, hosts } => change(format!("{ALLOWED}{rule}"), listed(&hosts)),
        Widening::Grant(name) => {
            let key = format!("{GRANT}{name}");
            let text = proposed.get(&key).cloned().unwrap_or_default();
            change(key, text)
        }
        Widening::HostPort(port) => change(format!("{HOST_PORT}{port}"), "yes".to_owned()),
    });
    Some(changes.collect())
}

/// The policy of a proposal: outer `None`: not readable; inner `None`: the network is open. A network that reaches
/// nothing has a policy without rules.
#[expect(clippy::option_option, reason = "`widenings` takes an open network as `None`")]
fn policy(lines: &Lines) -> Option<Option<Policy>> {
    let Some(mode) = lines.get(POLICY) else {
        return Some((!lines.contains_key(OUTSIDE)).then(Policy::deny_all));
    };
    let rules = lines.iter().filter_map(|(key, hosts)| Some((key.strip_prefix(ALLOWED)?, hosts)));
    let entry = |(rule, hosts): (&str, &String)| {
        let hosts = hosts.split(", ").map(|host| host.parse().ok()).collect::<Option<_>>()?;
        Some(Entry { rule: rule.to_owned(), hosts, requests: Rule::requests_of(rule).ok()? })
    };
    let ports = lines.keys().filter_map(|key| key.strip_prefix(HOST_PORT));
    let port = |text: &str| text.parse::<Port>().ok();
    let (entries, ports) = (rules.map(entry).collect::<Option<_>>()?, ports.map(port).collect::<Option<_>>()?);
    let grants = lines.iter().filter_map(|(key, row)| key.starts_with(GRANT).then_some(row));
    let grant = |row: &String| Grant::try_from(serde_json::from_str::<GrantRow>(row).ok()?).ok();
    let grants = grants.map(grant).collect::<Option<_>>()?;
    Some(Some(Policy::new(mode.parse().ok()?, entries, ports).ok()?.with_grants(grants).ok()?))
}

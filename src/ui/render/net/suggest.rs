//! Rules for what a gateway has recorded, as YAML for a spec.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::ui::encode;
use moat_gateway::{Decision, Entry, LogLine, Plane, Reason};
use moat_model::resource::Run;
use moat_policy::{HOST, HostName, Policy, Port, Rule, Verdict};

/// What to add to a spec.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    rules: Vec<Suggested>,
    /// Ports of the Docker host.
    host: Vec<u16>,
    /// Names that were looked up and never connected to.
    looked_up: BTreeSet<HostName>,
    /// Names that resolve to a private address.
    private: BTreeSet<HostName>,
    /// Hosts whose port belongs to another one.
    conflicts: Vec<String>,
}

/// A rule, and the hosts for which it is suggested.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Suggested {
    rule: String,
    hosts: BTreeSet<HostName>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    #[serde(flatten)]
    suggestion: &'a Suggestion,
}

impl Suggestion {
    /// The rules for what passed only because of `learn`, and for what no rule allows, beyond a policy.
    pub fn of<'a>(lines: impl Iterator<Item = &'a LogLine>, policy: Option<&Policy>) -> Self {
        let (mut asked, mut looked_up, mut private) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for Entry { plane, name, port, decision, reason, .. } in lines.map(|line| &line.entry) {
            private.extend(name.clone().filter(|_| *reason == Some(Reason::Address)));
            let is_open = *decision == Decision::Learn || *reason == Some(Reason::NoRule);
            let Some((name, port)) = name.clone().zip(Port::new(*port)).filter(|_| is_open) else { continue };
            if name.is_single_label() || name.is_reserved() {
                continue;
            }
            if *plane == Plane::Dns {
                looked_up.insert(name);
            } else {
                asked.insert((name, port));
            }
        }
        let is_allowed = |name: &HostName, port: Port| {
            policy.is_some_and(|policy| matches!(policy.decide(name, port), Verdict::Allowed(_)))
        };
        asked.retain(|(name, port)| !is_allowed(name, *port));
        looked_up
            .retain(|name| !policy.is_some_and(|policy| policy.knows(name)) && asked.iter().all(|(it, _)| it != name));
        let (mut suggestion, mut rules) =
            (Self { looked_up, private, ..Self::default() }, BTreeMap::<Rule, BTreeSet<_>>::new());
        let mut owners: BTreeMap<Port, HostName> = policy.map(|it| it.named_ports().clone()).unwrap_or_default();
        for (name, port) in asked {
            if name.as_str() == HOST {
                suggestion.host.push(port.number());
                continue;
            }
            let owner = owners.entry(port).or_insert_with(|| name.clone());
            if *owner != name && !port.names_its_host() {
                suggestion.conflicts.push(format!("{name}:{port} (port {port} belongs to {owner})"));
                continue;
            }
            rules.entry(Rule::for_host(&name, port)).or_default().insert(name);
        }
        let suggested = |(rule, hosts): (Rule, BTreeSet<HostName>)| Suggested { rule: rule.to_string(), hosts };
        suggestion.rules = rules.into_iter().map(suggested).collect();
        suggestion.rules.sort_by(|a, b| a.rule.cmp(&b.rule));
        suggestion
    }

    pub fn is_empty(&self) -> bool {
        let Self { rules, host, looked_up, private, conflicts } = self;
        rules.is_empty() && host.is_empty() && looked_up.is_empty() && private.is_empty() && conflicts.is_empty()
    }

    /// Returns the lines to add to a spec; what needs a decision of the user is in comments.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.rules.is_empty() || !self.host.is_empty() {
            text.push_str("network:\n  policy: strict\n");
        }
        if !self.rules.is_empty() {
            text.push_str("  rules:\n");
        }
        for Suggested { rule, hosts } in &self.rules {
            let quoted = if rule.starts_with(['@', '*']) { format!("\"{rule}\"") } else { rule.clone() };
            let hosts: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
            // A rule for one host needs no list of hosts.
            let note = if rule.starts_with('@') { format!(" # {}", hosts.join(", ")) } else { String::new() };
            text.push_str(&format!("    - {quoted}{note}\n"));
        }
        if !self.host.is_empty() {
            let ports: Vec<String> = self.host.iter().map(ToString::to_string).collect();
            text.push_str(&format!("  host: [{}]\n", ports.join(", ")));
        }
        for name in &self.looked_up {
            text.push_str(&format!("# only looked up; which port it needs is unknown: {name}\n"));
        }
        for name in &self.private {
            text.push_str(&format!("# resolves to a private address, which a rule must name: {name} in RANGE\n"));
        }
        for conflict in &self.conflicts {
            text.push_str(&format!("# not possible beside another rule: {conflict}\n"));
        }
        text
    }

    /// Ends with a line feed.
    pub fn json(&self, run: &Run) -> String {
        encode::json(&Document { run: run.id.as_str(), agent: run.agent.as_str(), suggestion: self })
    }
}

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use moat_policy::Mode;

    fn line(plane: &str, name: &str, port: u16, decision: &str) -> LogLine {
        let reason = if decision == "deny" { r#","reason":"no-rule""# } else { "" };
        let text = format!(
            r#"{{"time":"2026-11-28T02:00:00Z","id":1,"plane":"{plane}","client":"10.83.0.18","name":"{name}","port":{port},"decision":"{decision}"{reason}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn refused(name: &str) -> LogLine {
        let mut refused = line("tls", name, 443, "deny");
        refused.entry.reason = Some(Reason::Address);
        refused
    }

    fn suggests(lines: &[LogLine], policy: Option<&Policy>, expected: &Expect) {
        let suggestion = Suggestion::of(lines.iter(), policy);
        let text = suggestion.text();
        expected.assert_eq(&text);
        assert_eq!(suggestion.is_empty(), text.is_empty());
    }

    fn policy(rules: &[&str]) -> Policy {
        let rules = rules.iter().map(|rule| (&rule.parse::<Rule>().unwrap()).into()).collect();
        Policy::new(Mode::Strict, rules, Vec::new()).unwrap()
    }

    #[test]
    fn presets_cover_several_hosts_and_other_ports_belong_to_one() {
        let lines = [
            line("tls", "a.npmjs.org", 443, "learn"),
            line("tls", "b.npmjs.org", 443, "deny"),
            line("http", "a.example", 80, "deny"),
            line("tls", "a.example", 443, "learn"),
            line("tls", "known.example", 443, "allow"),
            line("tcp", "db.example", 5432, "deny"),
            line("tcp", "other.example", 5432, "deny"),
            line("http", "host.docker.internal", 8080, "deny"),
            line("http", "denied.moat.internal", 80, "deny"),
            line("dns", "a.example", 53, "deny"),
            line("dns", "github.com", 53, "deny"),
            refused("intra.example"),
        ];
        suggests(
            &lines,
            None,
            &expect![[r#"
                network:
                  policy: strict
                  rules:
                    - "@npm" # a.npmjs.org, b.npmjs.org
                    - a.example
                    - db.example:5432
                  host: [8080]
                # only looked up; which port it needs is unknown: github.com
                # resolves to a private address, which a rule must name: intra.example in RANGE
                # not possible beside another rule: other.example:5432 (port 5432 belongs to db.example)
            "#]],
        );
    }

    #[test]
    fn hosts_allowed_by_now_are_not_suggested() {
        let lines = [line("tls", "a.example", 443, "deny"), line("dns", "b.a.example", 53, "deny")];
        suggests(&lines, Some(&policy(&["**.example"])), &expect![[""]]);
        suggests(
            &lines,
            Some(&policy(&["@npm"])),
            &expect![[r#"
            network:
              policy: strict
              rules:
                - a.example
            # only looked up; which port it needs is unknown: b.a.example
        "#]],
        );
        suggests(
            &[line("tcp", "two.example", 22, "deny")],
            Some(&policy(&["one.example:22"])),
            &expect![[r#"
            # not possible beside another rule: two.example:22 (port 22 belongs to one.example)
        "#]],
        );
        suggests(&[line("tls", "a.example", 443, "allow")], None, &expect![[""]]);
    }

    /// A user pastes them.
    #[test]
    fn the_rules_can_be_read_by_moat() {
        let names = ["a.npmjs.org", "a.example", "xn--bcher-kva.example", "_x.example"];
        let lines = names.map(|name| line("tls", name, 443, "deny"));
        let text = Suggestion::of(lines.iter(), None).text();
        let document: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        let rules = document["network"]["rules"].as_sequence().unwrap();
        let rules: Vec<&str> = rules.iter().filter_map(|rule| rule.as_str()).collect();
        let policy = policy(&rules);
        for name in names {
            assert!(matches!(policy.decide(&name.parse().unwrap(), Port::TLS), Verdict::Allowed(_)), "{name}: {text}");
        }
    }
}

//! The grants of a sandbox: what may get each credential, and whether the gateway has it.

use serde::{Deserialize, Serialize};

use crate::ui::encode;
use moat_model::resource::Run;
use moat_model::state::GrantFacts;

/// The grants of a sandbox.
#[derive(Debug)]
pub struct View<'a> {
    pub run: &'a Run,
    /// Sorted by name.
    pub grants: Vec<Shown>,
}

/// A grant.
#[derive(Debug, Clone)]
pub struct Shown {
    pub name: String,
    hosts: Vec<Host>,
    /// `None`: the spec does not have it, or cannot be read.
    pub source: Option<String>,
    /// What the gateway says; `None`: it does not run, or its rules do not have the grant.
    pub facts: Option<GrantFacts>,
}

/// The grants as in a gateway's rules, as far as they are shown.
#[derive(Deserialize)]
struct Rules {
    #[serde(default)]
    grants: Vec<Definition>,
}

#[derive(Deserialize)]
struct Definition {
    name: String,
    hosts: Vec<Host>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Host {
    host: String,
    requests: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    grants: Vec<Grant<'a>>,
}

#[derive(Debug, Serialize)]
struct Grant<'a> {
    name: &'a str,
    state: &'a str,
    source: Option<&'a str>,
    hosts: &'a [Host],
    uses: Option<u64>,
    last_used: Option<&'a str>,
    refused: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are part of the JSON format")]
struct Revoked<'a> {
    run: &'a str,
    agent: &'a str,
    revoked: &'a str,
}

impl Shown {
    /// The grants of the rules that a gateway has in force.
    pub fn in_force(rules: &str) -> Vec<Self> {
        let rules = serde_json::from_str::<Rules>(rules);
        rules.map(|rules| rules.grants.into_iter().map(Self::new).collect()).unwrap_or_default()
    }

    /// A grant of a spec.
    pub fn of(definition: &str) -> Option<Self> {
        serde_json::from_str(definition).ok().map(Self::new)
    }

    fn new(Definition { name, hosts }: Definition) -> Self {
        let plain = |text: &String| text.strip_prefix("allow ").unwrap_or(text).to_owned();
        let host = |it: Host| Host { requests: it.requests.iter().map(plain).collect(), host: it.host };
        Self { name, hosts: hosts.into_iter().map(host).collect(), source: None, facts: None }
    }

    fn state(&self) -> &'static str {
        match &self.facts {
            None => "not in force",
            Some(facts) if facts.revoked => "revoked",
            Some(facts) if facts.locked => "locked",
            Some(_) => "unlocked",
        }
    }

    fn text(&self) -> String {
        let source = self.source.as_ref().map_or_else(String::new, |source| format!(", from {source}"));
        let mut text = format!("{}: {}{source}\n", self.name, self.state());
        if let Some(facts) = &self.facts {
            let last = facts.last_used.as_ref().map_or_else(String::new, |time| format!(", last at {time}"));
            let times = if facts.uses == 1 { "once".to_owned() } else { format!("{} times", facts.uses) };
            text.push_str(&format!("  used {times} since the start of the gateway{last}\n"));
            if let Some(time) = &facts.refused {
                text.push_str(&format!("  the server refused the credential at {time}: it may have expired\n"));
            }
        }
        for Host { host, requests } in &self.hosts {
            text.push_str(&format!("  {}: {}\n", host.trim_end_matches(":443"), requests.join(", ")));
        }
        text
    }
}

impl View<'_> {
    /// A few lines for each grant.
    pub fn text(&self) -> String {
        self.grants.iter().map(Shown::text).collect()
    }

    /// Ends with a line feed.
    pub fn json(&self) -> String {
        let grants = self.grants.iter().map(Grant::of).collect();
        encode::json(&Document { run: self.run.id.as_str(), agent: self.run.agent.as_str(), grants })
    }
}

impl<'a> Grant<'a> {
    fn of(it: &'a Shown) -> Self {
        let facts = it.facts.as_ref();
        Self {
            name: &it.name,
            state: it.state(),
            source: it.source.as_deref(),
            hosts: &it.hosts,
            uses: facts.map(|it| it.uses),
            last_used: facts.and_then(|it| it.last_used.as_deref()),
            refused: facts.and_then(|it| it.refused.as_deref()),
        }
    }
}

/// The answer to a revocation. Ends with a line feed.
pub fn revoked(run: &Run, grant: &str, target: &str, json: bool) -> String {
    if json {
        return encode::json(&Revoked { run: run.id.as_str(), agent: run.agent.as_str(), revoked: grant });
    }
    format!("revoked {grant}; `moat grants restore {grant}{target}` gives it back\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const RULES: &str = r#"{"version":2,"grants":[{"name":"github","placeholder":"x","hosts":[
        {"host":"api.github.com:443","header":"a","format":"{value}","requests":["allow GET /repos/me/x/**","allow HEAD /**"]}]}]}"#;

    #[test]
    fn a_grant_is_shown_with_its_state_source_use_and_requests() {
        let mut all = Shown::in_force(RULES);
        expect![[r"
            github: not in force
              api.github.com: GET /repos/me/x/**, HEAD /**
        "]]
        .assert_eq(&all[0].text());
        all[0].source = Some("cmd://gh auth token".to_owned());
        let time = || Some("2026-11-28T10:00:00Z".to_owned());
        all[0].facts = Some(GrantFacts { uses: 2, last_used: time(), refused: time(), ..GrantFacts::default() });
        expect![[r"
            github: unlocked, from cmd://gh auth token
              used 2 times since the start of the gateway, last at 2026-11-28T10:00:00Z
              the server refused the credential at 2026-11-28T10:00:00Z: it may have expired
              api.github.com: GET /repos/me/x/**, HEAD /**
        "]]
        .assert_eq(&all[0].text());
        for (facts, state) in [
            (GrantFacts { locked: true, ..GrantFacts::default() }, "locked"),
            (GrantFacts { locked: true, revoked: true, ..GrantFacts::default() }, "revoked"),
        ] {
            all[0].facts = Some(facts);
            assert_eq!(all[0].state(), state);
        }
        assert!(Shown::in_force("").is_empty() && Shown::in_force(r#"{"version":1}"#).is_empty());
    }
}

//! A policy as JSON, for the gateway and for labels, and its digest.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::grant::{Grant, GrantRow, InvalidGrant};
use super::invalid_rule::InvalidRule;
use super::mode::Mode;
use super::policy::{Entry, InvalidPolicy, Policy};
use super::port::Port;
use super::request_rule::InvalidRequest;

/// The largest policy: a thousand rules of the longest names are a quarter of it.
pub const POLICY_MAX: usize = 1024 * 1024;

/// The version of a policy whose rules are all for whole hosts.
const HOSTS: u32 = 1;

/// The version of a policy with rules for requests or grants, which an older gateway would misunderstand.
const REQUESTS: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    mode: Mode,
    rules: Vec<Row>,
    host_ports: Vec<Port>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    grants: Vec<GrantRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    rule: String,
    hosts: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requests: Vec<String>,
}

/// Why a text is no policy.
#[derive(Debug, thiserror::Error)]
pub enum UnreadablePolicy {
    #[error("the policy has {0} bytes; the maximum is {POLICY_MAX}")]
    TooLarge(usize),
    #[error("the policy is not readable: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("the policy has version {0}; this gateway knows {HOSTS} and {REQUESTS}")]
    Version(u32),
    #[error("`{rule}`: {why}")]
    Rule { rule: String, why: InvalidRule },
    #[error("`{rule}`: {why}")]
    Request { rule: String, why: InvalidRequest },
    #[error(transparent)]
    Rules(#[from] InvalidPolicy),
    #[error(transparent)]
    Grant(#[from] InvalidGrant),
}

impl Policy {
    /// One line of JSON, the same for the same policy.
    ///
    /// # Panics
    /// Never: every string and number can be written as JSON.
    pub fn to_json(&self) -> String {
        let row = |entry: &Entry| Row {
            rule: entry.rule.clone(),
            hosts: entry.hosts.iter().map(ToString::to_string).collect(),
            requests: entry.requests.iter().map(ToString::to_string).collect(),
        };
        let has_requests = self.limits().next().is_some();
        let document = Document {
            version: if has_requests { REQUESTS } else { HOSTS },
            mode: self.mode,
            rules: self.entries.iter().map(row).collect(),
            host_ports: self.host_ports.clone(),
            grants: self.grants.iter().map(GrantRow::from).collect(),
        };
        serde_json::to_string(&document).expect("strings and numbers")
    }

    /// # Errors
    /// If the text has another format, or rules that do not fit together.
    pub fn from_json(text: &str) -> Result<Self, UnreadablePolicy> {
        if text.len() > POLICY_MAX {
            return Err(UnreadablePolicy::TooLarge(text.len()));
        }
        let document: Document = serde_json::from_str(text)?;
        let has_requests = !document.grants.is_empty() || document.rules.iter().any(|row| !row.requests.is_empty());
        if document.version != if has_requests { REQUESTS } else { HOSTS } {
            return Err(UnreadablePolicy::Version(document.version));
        }
        let entries = document.rules.into_iter().map(entry).collect::<Result<_, _>>()?;
        let grants = document.grants.into_iter().map(Grant::try_from).collect::<Result<_, _>>()?;
        Ok(Self::new(document.mode, entries, document.host_ports)?.with_grants(grants)?)
    }

    /// The SHA-256 of the JSON, in hexadecimal.
    pub fn digest(&self) -> String {
        let digest = Sha256::digest(self.to_json().as_bytes());
        digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}

fn entry(row: Row) -> Result<Entry, UnreadablePolicy> {
    let parse = |host: &String| host.parse().map_err(|why| UnreadablePolicy::Rule { rule: row.rule.clone(), why });
    let hosts = row.hosts.iter().map(parse).collect::<Result<_, _>>()?;
    let parse = |text: &String| text.parse().map_err(|why| UnreadablePolicy::Request { rule: row.rule.clone(), why });
    let requests = row.requests.iter().map(parse).collect::<Result<_, _>>()?;
    Ok(Entry { rule: row.rule, hosts, requests })
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::*;

    fn policy(mode: Mode, rules: &[&str]) -> Policy {
        let entries = rules.iter().map(|rule| Entry::from(&rule.parse::<Rule>().unwrap())).collect();
        Policy::new(mode, entries, vec![Port::HTTP]).unwrap()
    }

    #[test]
    fn a_policy_round_trips() {
        let policy = policy(Mode::Learn, &["@npm", "db.example:5432 in 10.0.0.0/8", "**.x.example"]);
        let text = policy.to_json();
        assert_eq!(Policy::from_json(&text).unwrap(), policy);
        assert_eq!(Policy::from_json(&text).unwrap().to_json(), text);
        assert!(!text.contains('\n'));
    }

    #[test]
    fn the_format_and_the_digest_are_stable() {
        let text =
            r#"{"version":1,"mode":"strict","rules":[{"rule":"a.example","hosts":["a.example"]}],"host_ports":[80]}"#;
        let policy = policy(Mode::Strict, &["a.example"]);
        assert_eq!(policy.to_json(), text);
        assert_eq!(policy.digest().len(), 64);
        assert_ne!(policy.digest(), Policy::deny_all().digest());
    }

    #[test]
    fn request_rules_have_their_own_version() {
        let rule = Rule::with_requests("api.example", &["allow GET /x/**", "deny * /**"]).unwrap();
        let policy = Policy::new(Mode::Strict, vec![Entry::from(&rule)], Vec::new()).unwrap();
        let text = r#"{"version":2,"mode":"strict","rules":[{"rule":"api.example: allow GET /x/**, deny * /**","hosts":["api.example"],"requests":["allow GET /x/**","deny * /**"]}],"host_ports":[]}"#;
        assert_eq!(policy.to_json(), text);
        assert_eq!(Policy::from_json(text).unwrap(), policy);
        for (part, other) in [
            ("version\":2", "version\":1"),
            ("GET /x/**\",", "GET /**/x\","),
            ("[\"api.example\"]", "[\"api.example:22\"]"),
        ] {
            let other = text.replacen(part, other, 1);
            assert_ne!(other, text);
            assert!(Policy::from_json(&other).is_err(), "{other}");
        }
        let whole = text.replace(r#","requests":["allow GET /x/**","deny * /**"]"#, "");
        assert!(Policy::from_json(&whole).is_err(), "a limit that is lost would open the host");
    }

    #[test]
    fn ambiguous_policies_are_rejected() {
        let good = policy(Mode::Strict, &["a.example"]).to_json();
        for (part, other) in [
            ("\"version\":1", "\"version\":2"),
            ("strict", "open"),
            ("\"hosts\"", "\"deny\""),
            ("[\"a.example\"]", "[\"a..example\"]"),
            ("[\"a.example\"]", "[\"*.example:22\"]"),
            ("[80]", "[0]"),
            ("[80]", "[53]"),
            ("[80]}", "[80],\"more\":1}"),
            ("}", ""),
        ] {
            let text = good.replacen(part, other, 1);
            assert_ne!(text, good);
            assert!(Policy::from_json(&text).is_err(), "{text}");
        }
        assert!(Policy::from_json(&" ".repeat(POLICY_MAX + 1)).is_err());
    }
}

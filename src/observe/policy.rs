//! The rules that a gateway has in force: the gateway itself is asked.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;

use moat_model::engine::Engine;
use moat_model::resource::{ContainerId, gateway};
use moat_model::state::{GrantFacts, PolicyFacts};

/// A gateway answers within milliseconds.
const QUESTION: Duration = Duration::from_secs(5);

/// The last line of the answer, as far as it is read here.
#[derive(Deserialize)]
struct Status {
    digest: Option<String>,
    #[serde(default)]
    grants: Vec<Grant>,
}

#[derive(Deserialize)]
struct Grant {
    name: String,
    locked: bool,
    #[serde(default)]
    revoked: bool,
    digest: Option<String>,
    #[serde(default)]
    uses: u64,
    last_used: Option<String>,
    refused: Option<String>,
}

/// Asks a gateway. One that does not answer has no rules in force, as far as is known.
pub async fn policy<E: Engine>(engine: &E, container: &ContainerId) -> (ContainerId, PolicyFacts) {
    let answer = timeout(QUESTION, engine.exec(container, &gateway::status())).await;
    let output = answer.ok().and_then(Result::ok).filter(|it| it.exit_code == 0).map(|it| it.output);
    let facts = output.as_deref().map(read).unwrap_or_default();
    (container.clone(), facts)
}

/// Reads the answer: the rules, and the status as the last line. Rules that the engine has cut off are not known.
fn read(output: &str) -> PolicyFacts {
    let mut lines = output.lines().rev().filter(|line| !line.is_empty());
    let status = lines.next().and_then(|line| serde_json::from_str::<Status>(line).ok());
    let text = lines.next().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
    let (digest, grants) = status.map(|status| (status.digest, status.grants)).unwrap_or_default();
    PolicyFacts { digest, text: text.map(str::to_owned), grants: grants.into_iter().map(facts).collect() }
}

fn facts(grant: Grant) -> (String, GrantFacts) {
    let Grant { name, locked, revoked, digest, uses, last_used, refused } = grant;
    (name, GrantFacts { locked, revoked, digest, uses, last_used, refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_rules_and_the_status() {
        let facts = |digest: Option<&str>, text: Option<&str>| PolicyFacts {
            digest: digest.map(str::to_owned),
            text: text.map(str::to_owned),
            ..PolicyFacts::default()
        };
        let table = [
            ("{\"mode\":\"strict\"}\n{\"digest\":\"d\",\"lost\":0}\n", facts(Some("d"), Some("{\"mode\":\"strict\"}"))),
            ("rict\"}\n{\"digest\":\"d\"}\n", facts(Some("d"), None)),
            ("{\"digest\":\"d\"}\n", facts(Some("d"), None)),
            ("{\"digest\":null}\n", facts(None, None)),
            ("moat: no such command\n", facts(None, None)),
            ("", facts(None, None)),
        ];
        for (output, expected) in table {
            assert_eq!(read(output), expected, "{output}");
        }
    }

    #[test]
    fn the_answer_has_the_grants() {
        let facts = read(concat!(
            r#"{"digest":"d","grants":[{"name":"a","locked":false,"digest":"k hmac:1","uses":2,"last_used":"t"},"#,
            r#"{"name":"b","locked":true,"revoked":true,"uses":0}]}"#
        ));
        let (digest, last_used) = (Some("k hmac:1".to_owned()), Some("t".to_owned()));
        let unlocked = GrantFacts { digest, uses: 2, last_used, ..GrantFacts::default() };
        assert_eq!(facts.grants["a"], unlocked);
        assert_eq!(facts.grants["b"], GrantFacts { locked: true, revoked: true, ..GrantFacts::default() });
    }
}

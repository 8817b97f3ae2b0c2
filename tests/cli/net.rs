//! `moat net check`: from the spec alone, without an engine.

use expect_test::expect;
use testkit::hermetic::{Place, prints};

const STRICT: &str = "agent: builder\nimage: x\nservices: {db: {image: y}}\nnetwork:\n  policy: strict\n  rules:\n    - '@npm'\n    - git.example.com:22\n";

#[test]
fn a_host_passes_by_a_rule_or_is_denied() {
    let place = Place::with(STRICT);
    prints(
        &place,
        &["net", "check", "a.npmjs.org"],
        &expect![[r#"
            exit 0
            == stdout
            a.npmjs.org:443 passes by `@npm`
        "#]],
    );
    prints(
        &place,
        &["net", "check", "Evil.Example:80"],
        &expect![[r#"
            exit 1
            == stdout
            evil.example:80 is denied: no rule allows it; `evil.example` would allow it
        "#]],
    );
    prints(
        &place,
        &["net", "check", "git.example.com:22", "--json"],
        &expect![[r#"
            exit 0
            == stdout
            {
              "run": "builder-1f2e3d4c",
              "agent": "builder",
              "name": "git.example.com",
              "port": 22,
              "passes": true,
              "decision": "allow",
              "rule": "git.example.com:22"
            }
        "#]],
    );
    prints(
        &place,
        &["net", "check", "evil.example", "--json"],
        &expect![[r#"
            exit 1
            == stdout
            {
              "run": "builder-1f2e3d4c",
              "agent": "builder",
              "name": "evil.example",
              "port": 443,
              "passes": false,
              "decision": "deny",
              "why": "no rule allows it",
              "rule": "evil.example"
            }
        "#]],
    );
    for (host, code) in [("db:5432", 0), ("dbs:5432", 1), ("a.npmjs.org:22", 1), ("host.docker.internal:80", 1)] {
        assert_eq!(place.run(&["net", "check", host]).code, Some(code), "{host}");
    }
}

#[test]
fn a_network_without_a_policy_is_open_or_internal() {
    let place =
        Place::with("agent: builder\nimage: x\n").file("in.yaml", "agent: a\nimage: x\nnetwork: {internal: true}\n");
    prints(
        &place,
        &["net", "check", "evil.example:22"],
        &expect![[r#"
            exit 0
            == stdout
            evil.example:22 passes: the network of builder has no policy
        "#]],
    );
    prints(
        &place,
        &["net", "check", "evil.example", "in.yaml"],
        &expect![[r#"
            exit 1
            == stdout
            evil.example:443 is denied: the network is internal
        "#]],
    );
}

#[test]
fn an_invalid_host_is_a_usage_error() {
    let place = Place::with(STRICT);
    for host in ["https://a.example/x", "a.example:x", "a.example:0", "10.0.0.1", "b\u{fc}cher.example", ""] {
        let ran = place.run(&["net", "check", host]);
        assert!(ran.code == Some(64) && ran.err.contains("error: invalid value"), "{host}: {ran:?}");
    }
    assert_eq!(place.run(&["net", "check", "a.example", "missing.yaml"]).code, Some(65));
    assert_eq!(place.run(&["net"]).code, Some(64));
}

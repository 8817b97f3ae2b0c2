//! Grants: when a gateway gets a value, and when not.

use std::collections::BTreeMap;

use expect_test::expect;
use moat_model::graph::Graph;
use moat_model::resource::{Config, ContainerId, ResourceId, SecretKey, SecretText};
use moat_model::state::{ContainerState, GrantFacts, Observed};
use moat_plan::{Options, compute, status};
use moat_spec::compile::{Vault, compile_with};
use moat_spec::{Capabilities, Source, agent};

use super::world::{applied, container, nothing, plan, plan_with};

const GRANTED: &str = "agent: plain\nimage: busybox\nnetwork: { policy: strict }\ngrants: [github]\n";

/// The graph with a value, sealed with a key; `None`: the value is not fetched.
fn with(text: &str, value: Option<&str>, key: u8) -> Graph {
    let spec = agent::parse(Source::new("agent.yaml", "/home/me/agent.yaml", text)).expect("a good spec");
    let values = value.map(|value| ("github".to_owned(), SecretText::new(value)));
    let vault = Vault {
        key: SecretKey::new([key; 32]),
        fetched: BTreeMap::new(),
        build: [].into(),
        withheld: [].into(),
        grants: values.into_iter().collect(),
    };
    compile_with(&spec, &Capabilities::builtin(), Some(&vault)).expect("a good spec")
}

fn granted() -> Graph {
    with(GRANTED, Some("hunter2"), 1)
}

fn held(observed: &mut Observed) -> &mut GrantFacts {
    let facts = observed.policies.get_mut(&ContainerId::new("id-gateway")).expect("a gateway");
    facts.grants.get_mut("github").expect("a grant")
}

#[test]
fn main_starts_when_the_gateway_has_the_value() {
    let graph = granted();
    expect![[r#"
        1.  pull image busybox: missing
        2.  import image moat-helper:2: missing
        3.  create network moat-plain-R: missing
        4.  create network moat-egress-plain-R: missing
        5.  create volume moat-gateway-plain-R: missing
        6.  create volume moat-gateway-ca-plain-R: missing
        7.  create container moat-gateway-plain-R after 2, 3, 4, 5, 6: missing
        8.  connect container moat-gateway-plain-R after 4, 7: missing
        9.  start container moat-gateway-plain-R after 7, 8: missing
        10. await container moat-gateway-plain-R after 9: missing
        11. set policy gateway after 9: missing
        12. unlock grant github after 9, 11: locked
        13. create container moat-plain-R after 1, 3, 6: missing
        14. start container moat-plain-R after 11, 12, 13: missing
        15. await container moat-plain-R after 14: missing
    "#]]
    .assert_eq(&plan(&graph, &nothing(&graph)));
    assert_eq!(plan(&graph, &applied(&graph)), "");
}

#[test]
fn main_knows_the_proxy_the_certificates_and_placeholders() {
    let graph = with(
        "agent: plain\nimage: busybox\nnetwork: { policy: strict }\nenv: { http_proxy: mine }\n\
         services: { db: { image: x } }\ngrants: [github]\n",
        None,
        1,
    );
    let Config::Container(main) = &graph.node(&ResourceId::main()).expect("main").config else { panic!("a container") };
    let env: Vec<String> = main.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    expect![[r#"
        CARGO_HTTP_CAINFO=/etc/moat/bundle.crt
        CURL_CA_BUNDLE=/etc/moat/bundle.crt
        GH_TOKEN=ghp_moat00000000000000000000000000000000
        GITHUB_TOKEN=ghp_moat00000000000000000000000000000000
        GIT_SSL_CAINFO=/etc/moat/bundle.crt
        HTTPS_PROXY=http://gateway:14128
        HTTP_PROXY=http://gateway:14128
        NODE_EXTRA_CA_CERTS=/etc/moat/ca.crt
        NODE_USE_ENV_PROXY=1
        NO_PROXY=localhost,127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,host.docker.internal,db,gateway
        REQUESTS_CA_BUNDLE=/etc/moat/bundle.crt
        SSL_CERT_FILE=/etc/moat/bundle.crt
        http_proxy=mine
        https_proxy=http://gateway:14128
        no_proxy=localhost,127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,host.docker.internal,db,gateway"#]].assert_eq(&env.join("\n"));
    let trust = main.mounts.iter().find(|mount| mount.target == "/etc/moat").expect("the certificates");
    assert!(trust.read_only);
    for (id, config) in graph.nodes().map(|node| (&node.id, &node.config)) {
        let Config::Container(config) = config else { continue };
        let has_proxy = config.env.contains_key("HTTPS_PROXY");
        assert_eq!(has_proxy, *id == ResourceId::main(), "{id}");
    }
}

#[test]
fn without_grants_and_request_rules_main_is_unchanged() {
    let of = |rules: &str| {
        let text = format!("agent: plain\nimage: busybox\nnetwork: {{ policy: strict, rules: [{rules}] }}\n");
        let graph = with(&text, None, 1);
        let Config::Container(main) = &graph.node(&ResourceId::main()).expect("main").config else {
            panic!("a container")
        };
        (main.env.len(), main.mounts.len())
    };
    assert_eq!(of("a.example, '@npm'"), (0, 0));
    let (variables, mounts) = of("a.example: ['allow GET /x/**']");
    assert!(variables > 8 && mounts == 1);
}

#[test]
fn a_gateway_without_its_value_gets_it_again() {
    let graph = granted();
    let mut observed = applied(&graph);
    *held(&mut observed) = GrantFacts { locked: true, ..GrantFacts::default() };
    assert_eq!(plan(&graph, &observed), "1.  unlock grant github: locked\n");
    container(&mut observed, "gateway").state = ContainerState::Exited;
    observed.policies.clear();
    expect![[r#"
        1.  start container moat-gateway-plain-R: exited
        2.  await container moat-gateway-plain-R after 1: exited
        3.  set policy gateway after 1: missing
        4.  unlock grant github after 1, 3: locked
    "#]]
    .assert_eq(&plan(&graph, &observed));
}

#[test]
fn a_new_value_is_set_in_place() {
    let observed = applied(&with(GRANTED, Some("hunter1"), 1));
    let text = plan(&granted(), &observed);
    assert!(
        text.starts_with("1.  unlock grant github: changed\n    value \"hmac:") && !text.contains("hunter"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn a_value_that_cannot_be_compared_changes_nothing() {
    let observed = applied(&granted());
    for graph in [with(GRANTED, Some("hunter1"), 2), with(GRANTED, None, 1)] {
        assert_eq!(plan(&graph, &observed), "");
    }
}

#[test]
fn a_changed_grant_gets_its_value_after_the_rules() {
    let wider = GRANTED.replace("[github]", "[github: { write: true }]");
    expect![[r#"
        1.  set policy gateway: changed
            grants.github.api.github.com:443 "allow GET /**, allow HEAD /**" -> "allow GET /**, allow HEAD /**, allow * /**"
            grants.github.github.com:443 "allow GET /*/*/info/refs, allow POST /*/*/git-upload-pack" -> "allow GET /*/*/info/refs, allow POST /*/*/git-upload-pack, allow POST /*/*/git-receive-pack, allow * /*/*/info/lfs/**"
            grants.github.uploads.github.com:443 unset -> "allow POST /repos/**"
        2.  unlock grant github after 1: locked
    "#]].assert_eq(&plan(&with(&wider, Some("hunter2"), 1), &applied(&granted())));
}

#[test]
fn a_revoked_grant_is_in_sync_without_its_value_until_it_is_restored() {
    let graph = granted();
    let mut observed = applied(&graph);
    *held(&mut observed) = GrantFacts { locked: true, revoked: true, ..GrantFacts::default() };
    assert_eq!(plan(&graph, &observed), "");
    let all = status(&graph, &observed, &compute(&graph, &observed, &Options::default()));
    let standing = all.resources.iter().find(|it| it.resource == ResourceId::grant("github")).expect("a grant");
    assert_eq!((standing.presence.as_str(), standing.ready), ("revoked", true));
    let options = Options { restored: [ResourceId::grant("github")].into(), ..Options::default() };
    assert_eq!(plan_with(&graph, &observed, &options), "1.  unlock grant github: requested\n");
}

#[test]
fn no_output_contains_the_value() {
    let graph = granted();
    let observed = nothing(&graph);
    let plan = compute(&graph, &observed, &Options::default());
    let shown = format!("{plan} {plan:?} {graph:?}");
    assert!(shown.contains("UnlockGrant") && !shown.contains("hunter2"), "{shown}");
}

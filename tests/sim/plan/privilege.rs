//! The privileges that a sandbox gains since the last apply, as exact text.

use expect_test::{Expect, expect};
use moat_model::resource::{Config, ResourceId, SecretKey, SecretText};
use moat_model::state::Observed;
use moat_plan::{Gain, widening};
use moat_spec::compile::Vault;

use super::world::{applied, graph, nothing, plan};

const BEFORE: &str =
    "agent: a\nimage: team/tool:1\nuser: node\nmounts: ['/srv/data:/data:ro']\nnetwork: {internal: true}\n";

#[track_caller]
fn widens(before: &str, after: &str, expected: &Expect) {
    let gained: Vec<String> =
        widening(&graph(after), &applied(&graph(before))).iter().map(|it| format!("{it}\n")).collect();
    expected.assert_eq(&gained.concat());
}

#[test]
fn an_unchanged_container_gains_nothing() {
    widens(BEFORE, BEFORE, &expect![[""]]);
    widens(
        "agent: a\ndependencies: [docker:dind]\n",
        "agent: a\ndependencies: [docker:dind]\nenv: {A: b}\n",
        &expect![[""]],
    );
    // Fewer privileges, and paths in the spec's own folder.
    widens(
        BEFORE,
        "agent: a\nimage: team/tool:2\nuser: node\nnetwork: {internal: true}\nworkspace: ./app\n",
        &expect![[""]],
    );
}

#[test]
fn every_gain_is_reported() {
    let after = "agent: a\nimage: other/tool:1\ndependencies: [docker:dind]\nmounts:\n  - /srv/data:/data\n  - /:/host:ro\n\
        \x20 - /var/run/docker.sock:/var/run/docker.sock\n  - /home/me:/me\n  - /etc:/conf:ro\n  - moat-other-12345678-data:/other\n\
        \x20 - shared:/shared\nports: ['0.0.0.0:8080:80', 81]\n";
    widens(
        BEFORE,
        after,
        &expect![[r#"
            network/agent gets access to outside networks
            container/buildkit gets full access to the Docker host
            container/main gets full access to the Docker host
            container/main gets access to the engine through /var/run/docker.sock
            container/main gets all files of the Docker host
            container/main gets the home directory /home/me
            container/main gets access to /etc, outside the spec's folder
            container/main gets write access to /srv/data
            container/main gets write access to /var/run/docker.sock
            container/main gets another agent's volume moat-other-12345678-data
            container/main gets the volume shared of another owner
            container/main gets a port open to other machines, 0.0.0.0:8080 -> 80/tcp
            container/main gets an image from another source, other/tool:1 instead of team/tool:1
            container/main gets the user root instead of node
        "#]],
    );
}

#[test]
fn a_secret_is_gained_by_its_name_and_not_by_its_value() {
    let with = |value: &str| {
        let text = "agent: a\nimage: x\nsecrets: {TOKEN: 'env://TOKEN'}\n";
        let source = moat_spec::Source::new("agent.yaml", "/home/me/agent.yaml", text);
        let spec = moat_spec::agent::parse(source).expect("a good spec");
        let fetched = [("TOKEN".to_owned(), SecretText::new(value))].into();
        let vault =
            Vault { key: SecretKey::new([1; 32]), fetched, build: [].into(), withheld: [].into(), grants: [].into() };
        moat_spec::compile::compile_with(&spec, &moat_spec::Capabilities::builtin(), Some(&vault)).expect("a good spec")
    };
    let described =
        |before: &Observed| widening(&with("hunter2"), before).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(described(&applied(&graph("agent: a\nimage: x\n"))), ["container/main gets the secret TOKEN"]);
    assert_eq!(described(&applied(&with("hunter1"))), <[String; 0]>::default());
    let shown = plan(&with("hunter2"), &applied(&with("hunter1")));
    assert!(shown.contains("secrets.TOKEN \"hmac:") && !shown.contains("hunter"), "{shown}");
}

#[test]
fn a_new_sandbox_gains_all_of_its_privileges() {
    let graph = graph("agent: a\ndependencies: [docker:dind]\n");
    let gained = widening(&graph, &Observed::default());
    assert!(gained.iter().all(|it| !it.known));
    assert!(gained.iter().any(|it| it.resource == ResourceId::main() && it.gain == Gain::Privileged));
    assert_eq!(gained.iter().filter(|it| it.gain == Gain::Privileged).count(), 2, "main and the sidecar");
}

#[test]
fn a_plan_marks_gains_and_data_loss() {
    let text =
        "agent: a\nimage: x\nmounts: ['/:/host:ro', '/run/docker.sock:/d.sock', '~/x:/x']\nports: ['0.0.0.0:80:80']\n";
    let graph = graph(&text.replace("~/x", "/root"));
    assert!(matches!(graph.node(&ResourceId::main()).map(|node| &node.config), Some(Config::Container(_))));
    let shown = plan(&graph, &super::world::images_only(&graph));
    let line = shown.lines().find(|line| line.contains("create container")).expect("a line");
    assert_eq!(
        line,
        "2.  create container moat-a-R [gives a home directory, gives all files, gives the engine, reached from outside] after 1: missing"
    );
}

#[test]
fn kernel_and_hardware_rights_are_reported() {
    let before = "agent: a\nimage: x\ncap_add: [NET_ADMIN]\ndevices: ['/dev/fuse:/dev/fuse:r']\n\
                  services: {db: {image: y, ports: ['5432']}}\n";
    let after = "agent: a\nimage: x\ncap_add: [cap_net_admin, SYS_ADMIN]\ndevices: ['/dev/fuse', /dev/kvm]\ngpus: all\n\
                 services: {db: {image: y, ports: ['5432', '8080:80']}, web: {image: z, ports: [{target: 1}]}}\n";
    let after = after.replace("[{target: 1}]", "['0.0.0.0:81:81']");
    widens(
        before,
        &after,
        &expect![[r#"
            container/db gets a port published on the Docker host, 127.0.0.1:8080 -> 80/tcp
            container/main gets the capability SYS_ADMIN
            container/main gets the device /dev/fuse:rwm
            container/main gets the device /dev/kvm:rwm
            container/main gets GPUs of the Docker host, all
            container/web gets a port open to other machines, 0.0.0.0:81 -> 81/tcp
        "#]],
    );
    widens(
        &after,
        before,
        &expect![[r#"
        container/main gets the device /dev/fuse:r
    "#]],
    );
    let shown = plan(&graph(&after), &nothing(&graph(&after)));
    assert!(shown.contains("adds capabilities") && shown.contains("gives devices"), "{shown}");
    assert!(shown.contains("gives GPUs"), "{shown}");
}

/// Rules that are in force in the gateway are compared with the desired ones, by what they allow.
#[test]
fn wider_network_rules_are_a_gain() {
    let with = |network: &str| format!("agent: a\nimage: busybox\nnetwork: {{ {network} }}\n");
    let before = with("policy: strict, rules: ['**.example']");
    widens(&before, &with("policy: strict, rules: [a.example]"), &expect![[""]]);
    widens(
        &before,
        &with("policy: strict, rules: ['**.example', '@crates', 'git.test:22'], host: [8080]"),
        &expect![[r#"
            policy/gateway gets a network that may reach @crates: **.crates.io, **.rust-lang.org
            policy/gateway gets a network that may reach git.test:22
            policy/gateway gets a network that may reach port 8080 of the Docker host
        "#]],
    );
    widens(
        &before,
        &with("policy: learn"),
        &expect![[r#"
        policy/gateway gets a network that may reach every public host (policy: learn)
    "#]],
    );
    widens(&with("policy: learn"), &before, &expect![[""]]);
}

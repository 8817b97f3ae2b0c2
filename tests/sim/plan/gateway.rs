//! A sandbox with a network policy: its gateway, its rules, and every way around it.

use expect_test::{Expect, expect};
use moat_model::engine::Change;
use moat_model::resource::{ContainerId, NetworkId, ResourceId};
use moat_model::state::{ContainerState, Endpoint, Observed, PolicyFacts};
use moat_plan::{Action, Options, compute};

use super::world::{applied, container, graph, nothing, plan};

/// The smallest spec with a policy.
const STRICT: &str = "agent: plain\nimage: busybox\nnetwork: { policy: strict, rules: [a.example] }\n";

/// Plans a state that is in sync except for `drift`.
fn drifted(drift: impl FnOnce(&mut Observed), expected: &Expect) {
    let graph = graph(STRICT);
    let mut observed = applied(&graph);
    drift(&mut observed);
    expected.assert_eq(&plan(&graph, &observed));
}

#[test]
fn a_sandbox_in_sync_has_an_empty_plan() {
    drifted(|_| (), &expect![[""]]);
}

#[test]
fn main_starts_when_the_rules_are_in_force() {
    let graph = graph(STRICT);
    expect![[r#"
        1.  pull image busybox: missing
        2.  import image moat-helper:2: missing
        3.  create network moat-plain-R: missing
        4.  create network moat-egress-plain-R: missing
        5.  create volume moat-gateway-plain-R: missing
        6.  create container moat-gateway-plain-R after 2, 3, 4, 5: missing
        7.  connect container moat-gateway-plain-R after 4, 6: missing
        8.  start container moat-gateway-plain-R after 6, 7: missing
        9.  await container moat-gateway-plain-R after 8: missing
        10. set policy gateway after 8: missing
        11. create container moat-plain-R after 1, 3: missing
        12. start container moat-plain-R after 10, 11: missing
        13. await container moat-plain-R after 12: missing
    "#]]
    .assert_eq(&plan(&graph, &nothing(&graph)));
}

#[test]
fn services_and_daemons_reach_other_networks_through_the_gateway_only() {
    let text = "agent: builder\ndependencies: [docker:dind]\nservices: { db: { image: postgres:17, ports: [5432] } }\n\
                ports: { web: 3000 }\nnetwork: { policy: learn }\n";
    let graph = graph(text);
    expect![[r#"
        1.  pull image docker:29.7.2-dind: missing
        2.  import image moat-helper:2: missing
        3.  pull image moby/buildkit:v0.32.2: missing
        4.  pull image postgres:17: missing
        5.  create network moat-builder-R: missing
        6.  create network moat-egress-builder-R: missing
        7.  create volume moat-gateway-builder-R: missing
        8.  create volume moat-builder-R-buildkit-cache: missing
        9.  create volume moat-builder-R-buildkit-socket: missing
        10. create volume moat-builder-R-docker: missing
        11. create container moat-buildkit-builder-R [privileged] after 3, 5, 8, 9: missing
        12. upload container moat-buildkit-builder-R after 11: missing
        13. start container moat-buildkit-builder-R after 11, 12: missing
        14. await container moat-buildkit-builder-R after 13: missing
        15. create container moat-gateway-builder-R after 2, 5, 6, 7: missing
        16. connect container moat-gateway-builder-R after 6, 15: missing
        17. start container moat-gateway-builder-R after 15, 16: missing
        18. await container moat-gateway-builder-R after 17: missing
        19. set policy gateway after 17: missing
        20. create container moat-db-builder-R after 4, 5: missing
        21. start container moat-db-builder-R after 19, 20: missing
        22. await container moat-db-builder-R after 21: missing
        23. create container moat-builder-R [privileged] after 1, 5, 9, 10: missing
        24. upload container moat-builder-R after 23: missing
        25. start container moat-builder-R after 19, 22, 23, 24: missing
        26. await container moat-builder-R after 14, 25: missing
    "#]]
    .assert_eq(&plan(&graph, &nothing(&graph)));
    let created = compute(&graph, &nothing(&graph), &Options::default());
    let subnet = created.operations.iter().find_map(|it| match &it.action {
        Action::CreateNetwork { subnet: Some(subnet), gateway: true, internal: true, .. } => Some(*subnet),
        _ => None,
    });
    let gateway = moat_model::resource::subnet::gateway_address(subnet.expect("a closed network"));
    let mut seen = Vec::new();
    for operation in &created.operations {
        let Action::CreateContainer { address, resolver, ports, .. } = &operation.action else { continue };
        let is_gateway = operation.resource == ResourceId::gateway();
        let expected = if is_gateway { (Some(gateway), None) } else { (None, Some(gateway)) };
        assert_eq!((*address, *resolver), expected, "{operation}");
        assert_eq!(ports.len(), if is_gateway { 2 } else { 0 }, "{operation}");
        seen.push(operation.resource.name.clone());
    }
    seen.sort();
    assert_eq!(seen, ["buildkit", "db", "gateway", "main"]);
}

#[test]
fn other_rules_replace_nothing() {
    let before = applied(&graph(STRICT));
    let after = graph("agent: plain\nimage: busybox\nnetwork: { policy: strict, rules: [b.example] }\n");
    expect![[r#"
        1.  set policy gateway: changed
            rules.a.example "allow" -> unset
            rules.b.example unset -> "allow"
    "#]]
    .assert_eq(&plan(&after, &before));
}

#[test]
fn other_rules_in_force_are_replaced() {
    let set = || expect!["1.  set policy gateway: missing\n"];
    let other = PolicyFacts { digest: Some("other".to_owned()), ..PolicyFacts::default() };
    for facts in [PolicyFacts::default(), other] {
        drifted(|it| _ = it.policies.insert(ContainerId::new("id-gateway"), facts), &set());
    }
}

#[test]
fn a_network_recreated_without_its_flags_is_replaced() {
    let texts = [
        |it: &mut Observed| it.networks.iter_mut().for_each(|network| network.internal = false),
        |it: &mut Observed| it.networks.iter_mut().for_each(|network| network.without_host = false),
    ];
    let expected = [
        expect![[r#"
        1.  stop container moat-gateway-plain-R: network/agent is replaced
        2.  remove container moat-gateway-plain-R after 1: network/agent is replaced
        3.  stop container moat-plain-R: network/agent is replaced
        4.  remove container moat-plain-R after 3: network/agent is replaced
        5.  remove network moat-plain-R after 2, 4: changed
            internal false -> true
        6.  create network moat-plain-R after 5: changed
        7.  create container moat-gateway-plain-R after 2, 6: network/agent is replaced
        8.  connect container moat-gateway-plain-R after 7: network/agent is replaced
        9.  start container moat-gateway-plain-R after 7, 8: network/agent is replaced
        10. await container moat-gateway-plain-R after 9: network/agent is replaced
        11. set policy gateway after 9: missing
        12. create container moat-plain-R after 4, 6: network/agent is replaced
        13. start container moat-plain-R after 11, 12: network/agent is replaced
        14. await container moat-plain-R after 13: network/agent is replaced
    "#]],
        expect![[r#"
        1.  stop container moat-gateway-plain-R: network/agent is replaced
        2.  remove container moat-gateway-plain-R after 1: network/agent is replaced
        3.  stop container moat-plain-R: network/agent is replaced
        4.  remove container moat-plain-R after 3: network/agent is replaced
        5.  remove network moat-plain-R after 2, 4: changed
            gateway false -> true
        6.  create network moat-plain-R after 5: changed
        7.  create container moat-gateway-plain-R after 2, 6: network/agent is replaced
        8.  connect container moat-gateway-plain-R after 7: network/agent is replaced
        9.  start container moat-gateway-plain-R after 7, 8: network/agent is replaced
        10. await container moat-gateway-plain-R after 9: network/agent is replaced
        11. set policy gateway after 9: missing
        12. create container moat-plain-R after 4, 6: network/agent is replaced
        13. start container moat-plain-R after 11, 12: network/agent is replaced
        14. await container moat-plain-R after 13: network/agent is replaced
    "#]],
    ];
    for (drift, expected) in texts.into_iter().zip(expected) {
        drifted(drift, &expected);
    }
}

#[test]
fn a_container_is_disconnected_from_other_networks() {
    let elsewhere = |network: &str| Endpoint { network: network.to_owned(), id: Some(NetworkId::new("id-elsewhere")) };
    let change = |it: &mut Observed| container(it, "main").networks.push(elsewhere("bridge"));
    drifted(
        change,
        &expect![[r#"
        1.  disconnect container moat-plain-R: connected to a network outside of the sandbox
    "#]],
    );
    let graph = graph(STRICT);
    let mut observed = applied(&graph);
    change(&mut observed);
    let plan = compute(&graph, &observed, &Options::default());
    let change = plan.operations[0].change(Ok::<_, ()>, Ok::<_, ()>).expect("no handle");
    assert!(matches!(change, Some(Change::Disconnect { .. })), "{change:?}");
}

/// As with compose and kubectl, additions of a user stay unless they are forbidden.
#[test]
fn without_a_policy_another_network_is_no_difference() {
    let graph = graph("agent: plain\nimage: busybox\n");
    let mut observed = applied(&graph);
    let elsewhere = Endpoint { network: "bridge".to_owned(), id: Some(NetworkId::new("id-elsewhere")) };
    container(&mut observed, "main").networks.push(elsewhere);
    assert_eq!(plan(&graph, &observed), "");
}

#[test]
fn the_gateway_is_gone() {
    let gone = |it: &mut Observed| {
        let gateway = ResourceId::gateway();
        it.containers.retain(|it| it.owner.as_ref().is_some_and(|owner| owner.resource != gateway));
        it.policies.clear();
    };
    drifted(
        gone,
        &expect![[r#"
        1.  create container moat-gateway-plain-R: missing
        2.  connect container moat-gateway-plain-R after 1: missing
        3.  start container moat-gateway-plain-R after 1, 2: missing
        4.  await container moat-gateway-plain-R after 3: missing
        5.  set policy gateway after 3: missing
    "#]],
    );
}

#[test]
fn the_gateway_was_killed() {
    let killed = |it: &mut Observed| {
        container(it, "gateway").state = ContainerState::Exited;
        it.policies.clear();
    };
    drifted(
        killed,
        &expect![[r#"
        1.  start container moat-gateway-plain-R: exited
        2.  await container moat-gateway-plain-R after 1: exited
        3.  set policy gateway after 1: missing
    "#]],
    );
}

#[test]
fn the_gateway_has_lost_a_network() {
    let name = |id: &str| NetworkId::new(id);
    for (network, expected) in [
        (
            "id-network",
            expect![[r#"
                1.  connect container moat-gateway-plain-R: not on its network
            "#]],
        ),
        (
            "id-egress",
            expect![[r#"
                1.  connect container moat-gateway-plain-R: not on its network
            "#]],
        ),
    ] {
        let lost = name(network);
        drifted(|it| container(it, "gateway").networks.retain(|end| end.id.as_ref() != Some(&lost)), &expected);
    }
}

#[test]
fn an_open_network_has_no_gateway() {
    let before = applied(&graph(STRICT));
    expect![[r#"
        1.  stop container moat-gateway-plain-R: changed
            gateway true -> unset
            internal true -> unset
        2.  remove container moat-gateway-plain-R after 1: changed
        3.  stop container moat-plain-R: network/agent is replaced
        4.  remove container moat-plain-R after 3: network/agent is replaced
        5.  remove network moat-plain-R after 2, 4: changed
            gateway true -> unset
            internal true -> unset
        6.  create network moat-plain-R after 5: changed
        7.  create container moat-plain-R after 4, 6: network/agent is replaced
        8.  start container moat-plain-R after 7: network/agent is replaced
        9.  await container moat-plain-R after 8: network/agent is replaced
        10. remove network moat-egress-plain-R after 2: no longer needed
    "#]]
    .assert_eq(&plan(&graph("agent: plain\nimage: busybox\n"), &before));
}

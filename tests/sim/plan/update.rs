//! Limits and the restart policy: updated in place where an engine can, compared with the engine's values.

use expect_test::expect;
use moat_model::graph::Graph;
use moat_model::resource::{Config, Limits, ResourceId, RestartPolicy, Size};
use moat_model::state::{ContainerFacts, Live, Observed};
use moat_plan::{Options, dropped};

use super::world::{applied, container, graph, plan, plan_with};

const LIMITED: &str = "agent: plain\nimage: busybox\ncontainer: {memory: 512m, cpus: 1.5, pids: 100}\n";
const OTHERWISE: &str = "agent: plain\nimage: busybox\ncontainer: {memory: 1g, cpus: 2, pids: 100}\nrestart: always\n";
const UNLIMITED: &str = "agent: plain\nimage: busybox\n";

/// A state with `created` applied, and the engine's current values `now`.
fn world(created: &str, now: &str) -> Observed {
    let mut observed = applied(&graph(created));
    let (limits, restart) = live(&graph(now));
    let main = container(&mut observed, "main").id.clone();
    observed.live.insert(main, Live { limits, restart: Some(restart), privileged: false, restarts: 0, started: None });
    observed
}

fn live(graph: &Graph) -> (Limits, RestartPolicy) {
    match graph.node(&ResourceId::main()).map(|node| &node.config) {
        Some(Config::Container(config)) => (config.limits, config.restart),
        _ => panic!("there is a main container"),
    }
}

#[test]
fn limits_in_sync_stay_unchanged() {
    assert_eq!(plan(&graph(LIMITED), &world(LIMITED, LIMITED)), "");
    // Changed in place since it was created.
    assert_eq!(plan(&graph(OTHERWISE), &world(LIMITED, OTHERWISE)), "");
}

// A container made by hand may have every label of moat's.
#[test]
fn a_container_with_other_privileges_than_its_labels_say_is_replaced() {
    let mut observed = world(LIMITED, LIMITED);
    observed.live.values_mut().for_each(|live| live.privileged = true);
    let plan = plan(&graph(LIMITED), &observed);
    assert!(plan.contains("privileged true -> false") && plan.contains("create container moat-plain-R"), "{plan}");
    assert!(!plan.contains("update container"), "{plan}");
}

#[test]
fn changed_limits_are_set_in_place() {
    expect![[r#"
        1.  update container moat-plain-R: changed
            limits.memory "512m" -> "1g"
            limits.cpus "1.5" -> "2"
            restart "unless-stopped" -> "always"
    "#]]
    .assert_eq(&plan(&graph(OTHERWISE), &world(LIMITED, LIMITED)));
}

#[test]
fn a_new_limit_is_set_in_place() {
    expect![[r#"
        1.  update container moat-plain-R: changed
            limits.memory unset -> "512m"
            limits.cpus unset -> "1.5"
            limits.pids unset -> 100
    "#]]
    .assert_eq(&plan(&graph(LIMITED), &world(UNLIMITED, UNLIMITED)));
}

#[test]
fn a_reverted_limit_is_set_in_place() {
    expect![[r#"
        1.  update container moat-plain-R: changed
            limits.memory "1g" -> "512m"
            limits.cpus "2" -> "1.5"
            restart "always" -> "unless-stopped"
    "#]]
    .assert_eq(&plan(&graph(LIMITED), &world(LIMITED, OTHERWISE)));
}

#[test]
fn a_removed_limit_replaces_the_container() {
    for observed in [world(LIMITED, LIMITED), world(UNLIMITED, LIMITED)] {
        let plan = plan(&graph(UNLIMITED), &observed);
        assert!(plan.starts_with("1.  create container moat-plain-R.next1"), "{plan}");
    }
}

#[test]
fn an_unset_limit_is_no_difference() {
    let mut observed = world(LIMITED, LIMITED);
    for live in observed.live.values_mut() {
        live.limits.memory = None;
    }
    assert_eq!(plan(&graph(LIMITED), &observed), "");
    // A limit that another user has set is different.
    for live in observed.live.values_mut() {
        live.limits.memory = Some(Size(1 << 20));
    }
    assert!(plan(&graph(LIMITED), &observed).contains("limits.memory \"1m\" -> \"512m\""));
}

/// The defaults of a container at its creation, and now.
fn given(observed: &mut Observed, defaults: &str, now: Limits) {
    let main = container(observed, "main");
    let owner = main.owner.as_mut().expect("ours");
    owner.defaults = serde_json::from_str(defaults).expect("defaults");
    let id = main.id.clone();
    observed.live.get_mut(&id).expect("asked for").limits = now;
}

#[test]
fn defaults_are_never_a_difference() {
    for (defaults, memory, pids) in [
        (r#"{"memory":"6g","pids":4096}"#, Some(6 << 30), Some(4096)),
        // Of another version, or another host.
        (r#"{"memory":"1g","pids":2048,"later":[1]}"#, Some(1 << 30), Some(2048)),
        // The engine has dropped one of them.
        (r#"{"memory":"1g","pids":2048}"#, None, Some(2048)),
        ("{}", None, None),
    ] {
        let mut observed = world(UNLIMITED, UNLIMITED);
        given(&mut observed, defaults, Limits { memory: memory.map(Size), pids, cpus: None });
        assert_eq!(plan(&graph(UNLIMITED), &observed), "", "{defaults}");
    }
}

#[test]
fn a_limit_that_replaces_a_default_is_set_in_place() {
    let mut observed = world(UNLIMITED, UNLIMITED);
    given(
        &mut observed,
        r#"{"memory":"6g","pids":4096}"#,
        Limits { memory: Some(Size(6 << 30)), pids: Some(4096), cpus: None },
    );
    expect![[r#"
        1.  update container moat-plain-R: changed
            limits.memory unset -> "512m"
            limits.cpus unset -> "1.5"
            limits.pids unset -> 100
    "#]]
    .assert_eq(&plan(&graph(LIMITED), &observed));
}

#[test]
fn a_limit_changed_outside_of_moat_is_the_reported_cause() {
    let mut observed = world(UNLIMITED, UNLIMITED);
    let now = Limits { memory: Some(Size(100 << 20)), pids: Some(4096), cpus: None };
    given(&mut observed, r#"{"memory":"6g","pids":4096}"#, now);
    let plan = plan(&graph(UNLIMITED), &observed);
    let expected = "1.  create container moat-plain-R.next1: changed\n    limits.memory \"100m\" -> unset\n";
    assert!(plan.starts_with(expected), "{plan}");
}

#[test]
fn a_limit_that_the_engine_drops_is_set_once() {
    let mut observed = world(UNLIMITED, UNLIMITED);
    let first = plan(&graph(LIMITED), &observed);
    assert!(first.contains("update container"), "{first}");
    // It was updated in this run without effect.
    let updated = observed.containers.iter().map(|facts| facts.id.clone()).collect();
    let options = Options { updated, ..Options::default() };
    assert_eq!(plan_with(&graph(LIMITED), &observed, &options), "");
    let is_updated = |it: &ContainerFacts| options.updated.contains(&it.id);
    let found: Vec<_> = dropped(&graph(LIMITED), &observed, is_updated).into_iter().map(|(_, fields)| fields).collect();
    assert_eq!(found, [["memory", "cpus", "pids"]]);
    assert_eq!(dropped(&graph(LIMITED), &observed, |_| false), [], "nothing was changed");
    // It was created on an engine that reported this.
    given(&mut observed, r#"{"unsupported":["memory","pids"]}"#, Limits::default());
    let plan = plan(&graph(LIMITED), &observed);
    assert!(plan.contains("limits.cpus") && !plan.contains("limits.memory"), "{plan}");
}

#[test]
fn an_update_in_place_is_no_cause_of_a_later_replacement() {
    let spec = format!("{OTHERWISE}env: {{A: b}}\n");
    let plan = plan(&graph(&spec), &world(LIMITED, OTHERWISE));
    assert!(plan.starts_with("1.  create container moat-plain-R.next1: changed\n    env.A unset -> \"b\"\n"), "{plan}");
    assert!(!plan.contains("limits") && !plan.contains("restart"), "{plan}");
}

#[test]
fn another_difference_replaces_the_container() {
    let spec = format!("{OTHERWISE}env: {{A: b}}\n");
    let plan = plan(&graph(&spec), &world(LIMITED, LIMITED));
    assert!(plan.starts_with("1.  create container moat-plain-R.next1: changed\n    env.A unset -> \"b\"\n"), "{plan}");
    assert!(!plan.contains("update"), "{plan}");
}

#[test]
fn a_sidecar_that_was_created_without_limits_is_replaced() {
    let limited = "agent: b\ndependencies: [docker:dind]\nbuildkit: {resources: {memory: 4g}}\n";
    let observed = applied(&graph("agent: b\ndependencies: [docker:dind]\n"));
    let plan = plan(&graph(limited), &observed);
    assert!(plan.contains("create container moat-buildkit-b-R.next1"), "{plan}");
}

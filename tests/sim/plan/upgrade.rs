//! Worlds that an earlier moat has made, as their labels say: there is nothing to do about them, except that a start
//! script of moat's that has changed replaces its container.
//!
//! A later addition to a configuration leaves no trace where it is not used. A file of `tests/fixtures/worlds` is never
//! changed: users have such states.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect;
use moat_model::graph::Graph;
use moat_model::resource::Config;
use moat_model::resource::label::Ownership;
use moat_model::state::Live;
use moat_spec::compile::compile;
use moat_spec::{Capabilities, Source, agent};
use serde::Deserialize;

use super::world::{applied, plan};

#[derive(Deserialize)]
struct World {
    path: PathBuf,
    spec: String,
    /// The labels of each resource.
    labels: BTreeMap<String, BTreeMap<String, String>>,
}

#[test]
fn a_sandbox_of_an_earlier_version_is_in_sync() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/worlds");
    let mut seen = 0;
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        let world: World = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("a world");
        assert_eq!(needed(&unchanged(&world)), "", "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 3, "{seen}");
}

// The sidecar stays, and with it the cache; main gets the new scripts on the same volume.
#[test]
fn a_new_start_script_replaces_main_only() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/worlds/0.1.0-dind.json");
    let world: World = serde_json::from_slice(&fs::read(file).expect("a file")).expect("a world");
    let plan = unchanged(&world).lines().filter(|line| !line.starts_with(DIFF)).collect::<Vec<_>>().join("\n");
    expect![[r#"
        1.  create container moat-builder-R.next1 [privileged]: changed
        2.  upload container moat-builder-R.next1 after 1: changed
        3.  stop container moat-builder-R after 1, 2: superseded
        4.  start container moat-builder-R.next1 after 1, 2, 3: changed
        5.  await container moat-builder-R.next1 after 4: changed
        6.  remove container moat-builder-R after 3, 5: superseded
        7.  rename container moat-builder-R after 6: named moat-builder-R.next1"#]]
    .assert_eq(&plan);
}

/// The start of a difference in the text of a plan.
const DIFF: &str = "    ";

/// A plan without the replacement of main for new scripts of moat's. Any other difference remains, with all of the plan.
fn needed(plan: &str) -> &str {
    let mut diffs = plan.lines().filter(|line| line.starts_with(DIFF)).peekable();
    let is_script = |line: &str| line.trim_start().starts_with("files./usr/local/lib/moat/");
    let only_scripts = diffs.peek().is_some() && diffs.all(is_script);
    let operations = plan.lines().filter(|line| !line.starts_with(DIFF));
    let on_main = operations.clone().all(|line| line.contains(" container moat-") && !line.contains("buildkit"));
    if only_scripts && on_main && operations.count() == REPLACEMENT { "" } else { plan }
}

/// Create, upload, stop, start, await, remove and rename.
const REPLACEMENT: usize = 7;

/// The plan for a healthy state with these labels.
fn unchanged(world: &World) -> String {
    let spec = agent::parse(Source::new("agent.yaml", &world.path, &world.spec)).expect("the spec is still right");
    let graph: Graph = compile(&spec, &Capabilities::builtin()).expect("the spec is still right");
    let mut observed = applied(&graph);
    let recorded = |owner: &mut Option<Ownership>| {
        let resource = owner.as_ref().expect("ours").resource.to_string();
        *owner = world.labels.get(&resource).and_then(Ownership::read);
    };
    observed.containers.iter_mut().for_each(|facts| recorded(&mut facts.owner));
    observed.networks.iter_mut().for_each(|facts| recorded(&mut facts.owner));
    observed.volumes.iter_mut().for_each(|facts| recorded(&mut facts.owner));
    // It had only the limits of its spec.
    for node in graph.nodes() {
        if let Config::Container(config) = &node.config {
            let live = Live {
                limits: config.limits,
                restart: Some(config.restart),
                privileged: config.privileged,
                restarts: 0,
                started: None,
            };
            let ids: Vec<_> = observed.containers_of(&node.id).map(|facts| facts.id.clone()).collect();
            observed.live.extend(ids.into_iter().map(|id| (id, live)));
        }
    }
    plan(&graph, &observed)
}

// Otherwise the test above would pass with a planner that finds no differences.
#[test]
fn a_differing_label_is_noticed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/worlds/0.1.0-dind.json");
    let mut world: World = serde_json::from_slice(&fs::read(file).expect("a file")).expect("a world");
    let main = world.labels.get_mut("container/main").expect("main");
    main.insert("moat.hash".to_owned(), "v1:other".to_owned());
    let config = main["moat.config"].replace("tcp://buildkit:1234", "tcp://elsewhere:1");
    main.insert("moat.config".to_owned(), config);
    assert!(unchanged(&world).contains("env.BUILDKIT_HOST \"tcp://elsewhere:1\" -> \"tcp://buildkit:1234\""));
}

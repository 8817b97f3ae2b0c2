//! Worlds that an earlier moat has made, as their labels say: there is nothing to do about them, except that changed scripts
//! of moat's and the new place of the build sidecar's API replace their containers.
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

// The sidecar and main are replaced once, on the volumes that they have: nothing is removed but containers.
#[test]
fn a_sidecar_that_listened_on_a_port_is_replaced() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/worlds/0.1.0-dind.json");
    let world: World = serde_json::from_slice(&fs::read(file).expect("a file")).expect("a world");
    let plan = unchanged(&world).lines().filter(|line| !line.starts_with(DIFF)).collect::<Vec<_>>().join("\n");
    expect![[r#"
        1.  create volume moat-builder-R-buildkit-socket: missing
        2.  create container moat-buildkit-builder-R.next1 [privileged] after 1: changed
        3.  upload container moat-buildkit-builder-R.next1 after 2: changed
        4.  stop container moat-buildkit-builder-R after 2, 3: superseded
        5.  start container moat-buildkit-builder-R.next1 after 2, 3, 4: changed
        6.  await container moat-buildkit-builder-R.next1 after 5: changed
        7.  remove container moat-buildkit-builder-R after 4, 6: superseded
        8.  rename container moat-buildkit-builder-R after 7: named moat-buildkit-builder-R.next1
        9.  create container moat-builder-R.next1 [privileged] after 1: changed
        10. upload container moat-builder-R.next1 after 9: changed
        11. stop container moat-builder-R after 6, 9, 10: superseded
        12. start container moat-builder-R.next1 after 6, 9, 10, 11: changed
        13. await container moat-builder-R.next1 after 6, 12: changed
        14. remove container moat-builder-R after 11, 13: superseded
        15. rename container moat-builder-R after 14: named moat-builder-R.next1"#]]
    .assert_eq(&plan);
}

/// The start of a difference in the text of a plan.
const DIFF: &str = "    ";

/// Changes of moat's own: its scripts, and where the build sidecar listens.
const OURS: [&str; 6] = [
    "files./usr/local/lib/moat/",
    "files./etc/profile.d/moat.sh ",
    "env.BUILDKIT_HOST \"tcp://buildkit:1234\" -> ",
    "mounts./run/buildkit unset -> ",
    "command [\"--addr=unix:///run/buildkit/buildkitd.sock\",\"--addr=tcp://0.0.0.0:1234\",",
    "health.command [\"buildctl\",\"debug\",\"workers\"] -> ",
];

/// A plan without the replacement of main and the sidecar for such changes. Any other difference remains, with all of the
/// plan.
fn needed(plan: &str) -> &str {
    let mut diffs = plan.lines().filter(|line| line.starts_with(DIFF)).peekable();
    let is_ours = |line: &str| OURS.iter().any(|own| line.trim_start().starts_with(own));
    let only_ours = diffs.peek().is_some() && diffs.all(is_ours);
    let (socket, operations): (Vec<_>, Vec<_>) = plan
        .lines()
        .filter(|line| !line.starts_with(DIFF))
        .partition(|line| line.contains("-buildkit-socket: missing"));
    let on_containers = operations.iter().all(|line| line.contains(" container moat-"));
    if only_ours && on_containers && socket.len() == 1 && operations.len() == 2 * REPLACEMENT { "" } else { plan }
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
    assert!(
        unchanged(&world)
            .contains("env.BUILDKIT_HOST \"tcp://elsewhere:1\" -> \"unix:///run/buildkit/buildkitd.sock\"")
    );
}

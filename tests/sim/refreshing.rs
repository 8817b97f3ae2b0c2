//! Moving tags on a simulated engine: from the query of the registry to the running container.

use moat::observe::registry::{self, Registries, WithoutQuery};
use moat::reconcile::{Claims, OnFailure, Outcome, until_converged};
use moat_model::engine::Call;
use moat_model::engine::{Detail, Engine, Filter};
use moat_model::graph::Graph;
use moat_model::resource::{ImageId, ImageRef};
use moat_plan::Options;
use moat_sim::interference::Interference;
use moat_sim::sim::{Api, Behaviour, Settings, Sim};
use moat_spec::compile::compile;
use moat_spec::{Capabilities, Source, agent};
use testkit::changes::Changes;
use tokio_util::sync::CancellationToken;

const PLAIN: &str = "agent: plain\nimage: busybox\n";

fn graph(text: &str) -> Graph {
    let spec = agent::parse(Source::new("agent.yaml", "/home/me/agent.yaml", text)).expect("a good spec");
    compile(&spec, &Capabilities::builtin()).expect("a good spec")
}

fn busybox() -> ImageRef {
    ImageRef::parse("busybox").expect("valid")
}

/// An engine with the spec applied.
async fn applied() -> (Sim, Graph) {
    let (sim, graph) = (Sim::new(&Settings::default()), graph(PLAIN));
    sim.publish(&busybox(), Behaviour::default());
    assert!(changed(&apply(&sim, &graph, Registries::default()).await));
    (sim, graph)
}

async fn apply(sim: &Sim, graph: &Graph, found: Registries) -> Outcome {
    let options = Options { registry: found.digests, ..Options::default() };
    let (claims, stop) = (Claims::default(), CancellationToken::new());
    let outcome = until_converged(sim, graph, options, &claims, OnFailure::Undo, &|_| (), &stop);
    outcome.await.expect("the engine answers")
}

async fn ask(sim: &Sim, graph: &Graph) -> Registries {
    registry::ask(sim, graph, WithoutQuery::Keep).await
}

fn changed(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Converged { changed, .. } => *changed,
        other => panic!("{other:?}"),
    }
}

/// The image of main, and the image of its tag on the engine.
async fn images(sim: &Sim, graph: &Graph) -> (ImageId, ImageId) {
    let containers = sim.containers(&Filter::Run(graph.run.id.clone())).await.expect("a list");
    let [main] = &containers[..] else { panic!("{containers:?}") };
    (main.image.clone(), sim.image(&busybox()).await.expect("an answer").expect("it is there").id)
}

fn count(sim: &Sim, call: Call) -> usize {
    sim.calls().iter().filter(|entry| entry.call == call).count()
}

#[tokio::test(start_paused = true)]
async fn a_moved_tag_is_followed_once_on_request() {
    let (sim, graph) = applied().await;
    let (first, _) = images(&sim, &graph).await;
    sim.push(&busybox());
    assert!(!changed(&apply(&sim, &graph, Registries::default()).await), "no change was asked for");
    assert_eq!(images(&sim, &graph).await, (first.clone(), first.clone()));

    assert!(changed(&apply(&sim, &graph, ask(&sim, &graph).await).await));
    let (main, tag) = images(&sim, &graph).await;
    assert!(main == tag && main != first, "{main} {tag} {first}");

    let pulls = count(&sim, Call::Pull);
    assert!(!changed(&apply(&sim, &graph, ask(&sim, &graph).await).await), "once more");
    assert_eq!((count(&sim, Call::Pull), images(&sim, &graph).await), (pulls, (main.clone(), main)));
}

/// The digest of a tag is that of a list with more than the running image.
#[tokio::test(start_paused = true)]
async fn a_new_index_with_the_same_image_replaces_nothing() {
    let (sim, graph) = applied().await;
    let (first, _) = images(&sim, &graph).await;
    let creations = count(&sim, Call::CreateContainer);
    for pulls in 2..4 {
        sim.attest(&busybox());
        assert!(changed(&apply(&sim, &graph, ask(&sim, &graph).await).await), "it is pulled");
        assert!(!changed(&apply(&sim, &graph, ask(&sim, &graph).await).await), "once more");
        assert_eq!((count(&sim, Call::Pull), count(&sim, Call::CreateContainer)), (pulls, creations));
    }
    // The running image has lost its tag.
    assert!(sim.interfere(&Interference::RemoveImage { image: busybox().to_string() }));
    assert!(changed(&apply(&sim, &graph, ask(&sim, &graph).await).await), "it is pulled");
    assert_eq!((images(&sim, &graph).await, count(&sim, Call::CreateContainer)), ((first.clone(), first), creations));
}

#[tokio::test(start_paused = true)]
async fn an_image_pulled_manually_is_not_pulled_again() {
    let (sim, graph) = applied().await;
    sim.push(&busybox());
    sim.pull(&busybox(), &|_| ()).await.expect("a pull");
    let pulls = count(&sim, Call::Pull);
    assert!(!changed(&apply(&sim, &graph, Registries::default()).await), "no change was asked for");
    assert!(changed(&apply(&sim, &graph, ask(&sim, &graph).await).await));
    let (main, tag) = images(&sim, &graph).await;
    assert_eq!((main, count(&sim, Call::Pull)), (tag, pulls));
}

#[tokio::test(start_paused = true)]
async fn an_unplanned_image_is_not_run() {
    let (sim, graph) = applied().await;
    let (first, _) = images(&sim, &graph).await;
    sim.push(&busybox());
    let asked = ask(&sim, &graph).await;
    sim.push(&busybox());
    let Outcome::Failed { failures, .. } = apply(&sim, &graph, asked).await else { panic!("it was not planned") };
    assert!(failures[0].message.starts_with("`busybox` moved again: planned sha256:"), "{failures:?}");
    assert_eq!(images(&sim, &graph).await.0, first, "what ran runs on");
    assert!(changed(&apply(&sim, &graph, ask(&sim, &graph).await).await), "asked again");
}

#[tokio::test(start_paused = true)]
async fn local_images_are_kept_and_fixed_references_are_not_looked_up() {
    let (sim, graph_of_it) = applied().await;
    let local = graph(&PLAIN.replace("busybox", "only/here:1"));
    let found = ask(&sim, &local).await;
    assert!(found.digests.is_empty() && found.kept.is_empty(), "it is not here: its pull tells why");
    let here = ImageRef::parse("only/here:1").expect("valid");
    sim.provide(&here, Behaviour::default());
    sim.withdraw(&here);
    let found = ask(&sim, &local).await;
    assert!(found.digests.is_empty(), "{found:?}");
    let [(kept, why)] = &found.kept[..] else { panic!("{found:?}") };
    assert_eq!(kept, &here);
    assert!(registry::words(kept, why).0.starts_with("`only/here:1` was not refreshed: "), "{why}");
    assert!(changed(&apply(&sim, &local, found).await));

    let asked = count(&sim, Call::RegistryDigest);
    for cannot_move in ["image: busybox@sha256:12", "base_image: busybox\ndependencies: [jq]"] {
        let graph = graph(&format!("agent: plain\n{cannot_move}\n"));
        ask(&sim, &graph).await;
        assert_eq!(count(&sim, Call::RegistryDigest), asked, "{cannot_move}");
    }
    ask(&sim, &graph_of_it).await;
    assert_eq!(count(&sim, Call::RegistryDigest), asked + 1);
}

/// Podman answers questions about registries only with a pull.
#[tokio::test(start_paused = true)]
async fn without_registry_queries_a_pull_finds_moved_tags() {
    let (sim, graph) = (Sim::new(&Settings { api: Api::Podman, ..Settings::default() }), graph(PLAIN));
    sim.publish(&busybox(), Behaviour::default());
    assert!(changed(&apply(&sim, &graph, Registries::default()).await));
    let (first, _) = images(&sim, &graph).await;
    sim.push(&busybox());
    let pulls = count(&sim, Call::Pull);

    let found = ask(&sim, &graph).await;
    let [(_, why)] = &found.kept[..] else { panic!("{found:?}") };
    assert_eq!(why.detail, Some(Detail::NoRegistryQuery));
    assert!(registry::words(&busybox(), why).1.contains("`moat apply --pull`"));
    assert!(!changed(&apply(&sim, &graph, found).await), "a plan changes nothing");
    assert_eq!((count(&sim, Call::Pull), images(&sim, &graph).await.0), (pulls, first.clone()));

    let found = registry::ask(&sim, &graph, WithoutQuery::Pull).await;
    assert!(changed(&apply(&sim, &graph, found).await));
    let (main, tag) = images(&sim, &graph).await;
    assert!(main == tag && main != first, "{main} {tag} {first}");
    let found = registry::ask(&sim, &graph, WithoutQuery::Pull).await;
    assert!(!changed(&apply(&sim, &graph, found).await), "nothing has moved since");
}

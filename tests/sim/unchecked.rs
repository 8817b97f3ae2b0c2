//! Containers of which the engine reports no health: because it has not checked yet, or because it never does. One probe
//! settles them, so that a second apply has nothing to do.

use std::cell::Cell;

use moat::reconcile::{Claims, OnFailure, Outcome, until_converged};
use moat_model::engine::{Engine, Filter};
use moat_model::graph::Graph;
use moat_model::resource::ImageRef;
use moat_plan::Options;
use moat_plan::event::Event;
use moat_sim::sim::{Api, Behaviour, Settings, Sim};
use moat_spec::compile::compile;
use moat_spec::{Capabilities, Source, agent};
use testkit::changes::Changes;
use tokio_util::sync::CancellationToken;

const DIND: &str = "agent: builder\nimage: docker:dind\ndependencies:\n  - docker:dind\n";

fn graph() -> Graph {
    let spec = agent::parse(Source::new("agent.yaml", "/home/me/agent.yaml", DIND)).expect("a good spec");
    compile(&spec, &Capabilities::builtin()).expect("a good spec")
}

/// An engine like Podman, with the images of the spec.
fn engine(graph: &Graph, program: &Behaviour) -> Sim {
    let sim = Sim::new(&Settings { api: Api::Podman, ..Settings::default() });
    for node in graph.nodes() {
        if let moat_model::resource::Config::Image(image) = &node.config {
            sim.publish(&ImageRef::parse(&image.reference.to_string()).expect("valid"), program.clone());
        }
    }
    sim
}

/// Applies; returns whether anything was planned, and whether anything was changed.
async fn apply(sim: &Sim, graph: &Graph) -> (bool, bool) {
    let planned = Cell::new(false);
    let on_event = |event: Event<'_>| planned.set(planned.get() || matches!(event, Event::Planned { .. }));
    let (claims, stop) = (Claims::default(), CancellationToken::new());
    let outcome = until_converged(sim, graph, Options::default(), &claims, OnFailure::Undo, &on_event, &stop);
    match outcome.await.expect("the engine answers") {
        Outcome::Converged { changed, .. } => (planned.get(), changed),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_apply_plans_nothing_where_the_engine_never_checks() {
    let graph = graph();
    let sim = engine(&graph, &Behaviour::default());
    assert_eq!(apply(&sim, &graph).await, (true, true));
    assert_eq!(apply(&sim, &graph).await, (false, false));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_does_not_answer_is_awaited() {
    let graph = graph();
    let sim = engine(&graph, &Behaviour { boot_ms: 5000, ..Behaviour::default() });
    apply(&sim, &graph).await;
    for container in sim.containers(&Filter::Ours).await.expect("a list") {
        sim.restart(&container.id).await.expect("a restart");
    }
    assert_eq!(apply(&sim, &graph).await, (true, false), "they are running, and not ready");
    for container in sim.containers(&Filter::Ours).await.expect("a list") {
        assert!(sim.is_ready(&container.id), "{}", container.name);
    }
}

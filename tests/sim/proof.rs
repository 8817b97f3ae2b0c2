//! The proof of a network policy: a plan that is empty does not show that the policy is in force.

use std::cell::RefCell;

use moat::reconcile::{Claims, OnFailure, Outcome, until_converged};
use moat_model::engine::{Engine, Filter};
use moat_model::resource::{ImageRef, ResourceId};
use moat_plan::Options;
use moat_plan::event::{Code, Event};
use moat_sim::sim::{Behaviour, Settings, Sim};
use tokio_util::sync::CancellationToken;

use super::plan::world;

const STRICT: &str = "agent: plain\nimage: busybox\nnetwork: { policy: strict, rules: [a.example] }\n";

/// Applies a policy for a main container; returns the outcome, the warnings and the number of remaining containers.
async fn apply(main: Behaviour) -> (Outcome, Vec<String>, usize) {
    let (sim, graph) = (Sim::new(&Settings::default()), world::graph(STRICT));
    sim.publish(&ImageRef::parse("busybox").expect("valid"), main);
    let warnings = RefCell::new(Vec::new());
    let on_event = |event: Event<'_>| {
        if let Event::Warning { message, .. } = event {
            warnings.borrow_mut().push(message.to_owned());
        }
    };
    let (claims, stop) = (Claims::default(), CancellationToken::new());
    let outcome = until_converged(&sim, &graph, Options::default(), &claims, OnFailure::Undo, &on_event, &stop);
    let outcome = outcome.await.expect("the engine answers");
    let left = sim.containers(&Filter::Run(graph.run.id.clone())).await.expect("a list").len();
    (outcome, warnings.take(), left)
}

#[tokio::test(start_paused = true)]
async fn an_apply_ends_with_the_proof_of_its_policy() {
    let (outcome, warnings, containers) = apply(Behaviour::default()).await;
    assert!(matches!(outcome, Outcome::Converged { changed: true, .. }), "{outcome:?}");
    assert_eq!((warnings, containers), (Vec::new(), 2));
}

#[tokio::test(start_paused = true)]
async fn an_unproven_policy_fails_the_apply() {
    let (outcome, _, containers) = apply(Behaviour { bypasses_gateway: true, ..Behaviour::default() }).await;
    let Outcome::Failed { failures, .. } = outcome else { panic!("{outcome:?}") };
    let found: Vec<_> = failures.iter().map(|it| (it.resource.clone(), it.code)).collect();
    assert_eq!(found, [(ResourceId::policy(), Code::PolicyUnproven)]);
    assert_eq!(containers, 0, "a first apply is rolled back");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_cannot_be_tested_is_a_warning() {
    let main = Behaviour { missing: vec!["sh".to_owned()], ..Behaviour::default() };
    let (outcome, warnings, _) = apply(main).await;
    assert!(matches!(outcome, Outcome::Converged { .. }), "{outcome:?}");
    assert_eq!(warnings, ["the network policy is not proven from the main container: its image has no shell"]);
}

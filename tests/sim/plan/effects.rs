//! The column of `docs/reference/agent.md` that says what changing a key does: every key is changed, and the plan says the same.

use std::collections::BTreeSet;
use std::path::Path;

use moat_model::graph::Graph;
use moat_model::resource::{Config, Kind, ResourceId, SecretKey};
use moat_model::state::{Live, Observed};
use moat_plan::{Action, Operation, Options, Plan, compute};
use moat_spec::compile::{Vault, compile_with};
use moat_spec::environment::{FileError, ProgramError};
use moat_spec::{Capabilities, Environment, Source, agent, fetch};
use testkit::effects::{Becomes, Step, steps};

use super::world::{applied, images_only};

struct World;

impl Environment for World {
    fn variable(&self, name: &str) -> Option<String> {
        Some(format!("/{name}"))
    }

    fn read(&self, path: &Path) -> Result<String, FileError> {
        Ok(match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml") => "{}\n".to_owned(),
            Some("pem") => "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_owned(),
            _ => format!("FILE={}\n", path.display()),
        })
    }

    fn run(&self, _: &str, _: &[&str]) -> Result<String, ProgramError> {
        Ok("printed\n".to_owned())
    }
}

fn graph(text: &str) -> Graph {
    let source = Source::new("agent.yaml", "/home/me/agent.yaml", text);
    let read = agent::parse_all(source, &World).specs.unwrap_or_else(|faults| panic!("{text}\n{faults}"));
    let spec = &read[0];
    let fetched =
        fetch::secrets(spec, &World).expect("there is everything").main.into_iter().chain(spec.concealed.clone());
    let vault = Vault {
        key: SecretKey::new([1; 32]),
        fetched: fetched.collect(),
        build: [].into(),
        withheld: BTreeSet::new(),
        grants: fetch::grants(spec, &World).expect("there is everything"),
    };
    compile_with(spec, &Capabilities::builtin(), Some(&vault)).expect("it compiles")
}

/// A state with `before` applied, observed for `after`.
fn world(before: &Graph, after: &Graph) -> Observed {
    let mut observed = applied(before);
    observed.images.extend(images_only(after).images);
    for node in before.nodes() {
        let Config::Container(config) = &node.config else { continue };
        let is_asked = node.id == ResourceId::main() || !config.limits.is_empty();
        let id = observed.containers_of(&node.id).next().expect("a container").id.clone();
        if is_asked {
            observed.live.insert(
                id,
                Live {
                    limits: config.limits,
                    restart: Some(config.restart),
                    privileged: config.privileged,
                    restarts: 0,
                    started: None,
                },
            );
        }
    }
    observed
}

/// The other containers of the cases.
const SIDECARS: [&str; 2] = ["buildkit", "db"];

/// The effect of a plan, if it has only one.
fn becomes(plan: &Plan) -> Option<Becomes> {
    let done: BTreeSet<(&str, &str)> =
        plan.operations.iter().map(|it| (it.action.verb(), it.resource.name.as_str())).collect();
    let network = plan.operations.iter().any(|it| matches!(it.action, Action::RemoveNetwork { .. }));
    match () {
        () if plan.is_empty() => Some(Becomes::Nothing),
        () if network => Some(Becomes::Network),
        () if ["main", "buildkit"]
            .iter()
            .all(|name| done.contains(&("create", name)) && done.contains(&("remove", name))) =>
        {
            Some(Becomes::MainAndSidecar)
        }
        () if plan.operations.iter().all(is_of_gateway) => Some(Becomes::Gateway),
        () if done.contains(&("create", "main")) => Some(Becomes::Main),
        () if SIDECARS.iter().any(|name| done.contains(&("create", name))) => Some(Becomes::Sidecar),
        () if done == [("update", "main")].into() => Some(Becomes::MainInPlace),
        () if SIDECARS.iter().any(|name| done == [("update", *name)].into()) => Some(Becomes::SidecarInPlace),
        () => None,
    }
}

/// A running gateway is updated, or it is replaced.
fn is_of_gateway(operation: &Operation) -> bool {
    let gateway = [ResourceId::gateway(), ResourceId::policy()];
    gateway.contains(&operation.resource) || operation.resource.kind == Kind::Grant
}

fn changed(step: &Step) -> Option<Becomes> {
    let (before, after) = (graph(&step.before), graph(&step.after));
    if before.run != after.run {
        return Some(Becomes::Another);
    }
    let plan = compute(&after, &world(&before, &after), &Options::default());
    // After it, nothing remains to be done.
    let again = compute(&after, &world(&after, &after), &Options::default());
    assert!(again.is_empty(), "{}:\n{again}", step.after);
    becomes(&plan)
}

#[test]
fn changing_a_key_does_what_the_table_says() {
    for step in steps() {
        assert_eq!(changed(&step), Some(step.becomes), "{}: {}->\n{}", step.key, step.before, step.after);
    }
}

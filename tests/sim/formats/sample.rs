//! The example of the pages: a run without resources, and the plan to create it.

use std::path::Path;

use moat_model::graph::Graph;
use moat_model::resource::ImageRef;
use moat_model::state::Observed;
use moat_plan::{Options, Plan, compute};
use moat_spec::compile::compile;
use moat_spec::{Capabilities, Source, agent};

pub const SPEC: &str = "agent: builder\nimage: docker:dind\ndependencies: [docker:dind]\n";

/// A placeholder for the digest in a run's id, which depends on the path.
pub const DIGEST: &str = "1f2e3d4c";

pub fn graph() -> Graph {
    let source = Source::new("agent.yaml", Path::new("/agent.yaml"), SPEC);
    let spec = agent::parse(source).expect("the example is right");
    compile(&spec, &Capabilities::builtin()).expect("the example compiles")
}

/// An empty engine, without images.
pub fn nothing() -> Observed {
    let images = ["docker:dind", "moby/buildkit:v0.32.2"].map(|it| (ImageRef::parse(it).expect("valid"), None));
    Observed { images: images.into_iter().collect(), taken: Some(Vec::new()), ..Observed::default() }
}

pub fn plan(graph: &Graph) -> Plan {
    compute(graph, &nothing(), &Options::default())
}

/// Replaces the digest with the placeholder.
pub fn anonymous(text: &str, graph: &Graph) -> String {
    let digest = graph.run.id.as_str().rsplit('-').next().expect("an id has a digest");
    text.replace(digest, DIGEST)
}

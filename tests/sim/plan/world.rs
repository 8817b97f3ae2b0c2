//! States to plan for: in sync, then with one difference.

use std::collections::BTreeSet;

use moat_model::graph::Graph;
use moat_model::resource::label::{self, Ownership};
use moat_model::resource::{Config, ContainerId, ImageDigest, ImageId, Mount, MountSource, NetworkId, ResourceId};
use moat_model::state::{
    ContainerFacts, ContainerState, Endpoint, GrantFacts, Health, ImageFacts, NetworkFacts, Observed, VolumeFacts,
};
use moat_plan::{Options, compute};
use moat_spec::compile::compile;
use moat_spec::{Capabilities, Source, agent};

/// The smallest spec with its own Docker.
pub const DIND: &str = "agent: builder\ndependencies: [docker:dind]\n";

/// The smallest spec.
pub const PLAIN: &str = "agent: plain\nimage: busybox\n";

pub fn graph(text: &str) -> Graph {
    let source = Source::new("agent.yaml", "/home/me/agent.yaml", text);
    let spec = agent::parse(source).expect("a good spec");
    compile(&spec, &Capabilities::builtin()).expect("a good spec")
}

/// An empty engine, without images.
pub fn nothing(graph: &Graph) -> Observed {
    let images = graph.nodes().filter_map(|node| match &node.config {
        Config::Image(config) => Some((config.reference.clone(), None)),
        _ => None,
    });
    Observed {
        images: images.collect(),
        taken: Some(Vec::new()),
        ports_taken: Some(BTreeSet::new()),
        writable: Some(Vec::new()),
        all_volumes: Some(foreign_volumes(graph)),
        ..Observed::default()
    }
}

/// The foreign volumes that `graph` mounts; they exist.
fn foreign_volumes(graph: &Graph) -> BTreeSet<String> {
    let containers = graph.nodes().filter_map(|node| match &node.config {
        Config::Container(config) => Some(config),
        _ => None,
    });
    let name = |mount: &Mount| match &mount.source {
        MountSource::Foreign(name) => Some(name.clone()),
        _ => None,
    };
    containers.flat_map(|config| config.mounts.iter().filter_map(name)).collect()
}

/// An engine with only the images.
pub fn images_only(graph: &Graph) -> Observed {
    let mut observed = nothing(graph);
    for facts in observed.images.values_mut() {
        *facts = Some(ImageFacts {
            id: ImageId::new("sha256:1"),
            digests: [ImageDigest::new("sha256:old")].into(),
            platform: None,
        });
    }
    observed
}

/// An engine with `graph` applied and healthy.
pub fn applied(graph: &Graph) -> Observed {
    let mut observed = images_only(graph);
    for node in graph.nodes() {
        let name = graph.run.name_of(&node.id);
        let owner = Ownership::read(&label::labels(&graph.run, &node.id, &node.config));
        match &node.config {
            Config::Image(_) => {}
            Config::Network(config) => observed.networks.push(NetworkFacts {
                id: id_of(&node.id),
                name,
                owner,
                created: "2026-01-01T00:00:00Z".into(),
                subnets: config.gateway.then(|| "10.83.0.32/27".parse().expect("a range")).into_iter().collect(),
                internal: config.internal,
                without_host: config.gateway,
            }),
            Config::Volume(_) => observed.volumes.push(VolumeFacts { name, owner }),
            Config::Container(config) => observed.containers.push(ContainerFacts {
                id: ContainerId::new(format!("id-{}", node.id.name)),
                name,
                owner,
                image: ImageId::new("sha256:1"),
                state: ContainerState::Running,
                up_seconds: None,
                health: if config.health.is_some() { Health::Healthy } else { Health::None },
                exit_code: None,
                home: Some(network_id()),
                networks: config.networks().map(|network| endpoint_of(graph, network)).collect(),
                volumes: config
                    .mounts
                    .iter()
                    .filter_map(Mount::own_volume)
                    .map(|volume| graph.run.name_of(volume))
                    .collect(),
                published: Vec::new(),
                created: 1,
            }),
            Config::Policy(config) => {
                let facts = observed.policies.entry(ContainerId::new("id-gateway")).or_default();
                (facts.digest, facts.text) = (Some(config.digest()), Some(config.text.clone()));
            }
            Config::Grant(config) => {
                let facts = observed.policies.entry(ContainerId::new("id-gateway")).or_default();
                let held = GrantFacts { digest: config.value.tag(), ..GrantFacts::default() };
                facts.grants.insert(node.id.name.clone(), held);
            }
        }
    }
    observed
}

pub fn network_id() -> NetworkId {
    NetworkId::new("id-network")
}

fn endpoint_of(graph: &Graph, network: &ResourceId) -> Endpoint {
    Endpoint { network: graph.run.name_of(network), id: Some(id_of(network)) }
}

fn id_of(network: &ResourceId) -> NetworkId {
    if *network == ResourceId::egress() { NetworkId::new("id-egress") } else { network_id() }
}

pub fn container<'a>(observed: &'a mut Observed, name: &str) -> &'a mut ContainerFacts {
    let resource = ResourceId::container(name);
    let found = observed.containers.iter_mut().find(|it| it.owner.as_ref().is_some_and(|o| o.resource == resource));
    found.expect("a container of that name")
}

/// The plan's text without the run's digest.
pub fn plan(graph: &Graph, observed: &Observed) -> String {
    plan_with(graph, observed, &Options::default())
}

pub fn plan_with(graph: &Graph, observed: &Observed, options: &Options) -> String {
    let digest = graph.run.id.as_str().rsplit('-').next().expect("a digest").to_owned();
    let text = compute(graph, observed, options).to_string();
    assert_eq!(text, compute(graph, observed, options).to_string(), "the same inputs give the same plan");
    text.replace(&digest, "R")
}

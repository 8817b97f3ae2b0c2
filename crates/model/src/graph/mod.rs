//! The desired state as a graph: resources, and the milestones that they require of each other.
//!
//! Built once from a spec and the capabilities, and immutable. Independent of the observed state.

mod sealed;

use std::collections::BTreeMap;
use std::path::PathBuf;

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use serde::Serialize;

pub use sealed::comparable;

use crate::resource::digest::sha256;
use crate::resource::label::Approved;
use crate::resource::{
    Builds, Config, HostFile, KnownFailure, Port, PortConfig, Probe, ResourceId, RestartPolicy, Role, Run,
};

/// The desired state of one run.
#[derive(Debug, Clone)]
pub struct Graph {
    pub run: Run,
    /// How builds reach their sidecar, if the spec has one.
    pub builds: Option<Builds>,
    /// The approval, stored with created resources; `None` if nothing may be created.
    pub approved: Option<Approved>,
    /// For each mounted path, the places that its links lead through.
    pub resolutions: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// The single files of the host that are mounted, as they were when the spec was read.
    pub files: BTreeMap<PathBuf, HostFile>,
    /// The published ports that lead through the gateway.
    pub relays: Vec<Relay>,
    nodes: BTreeMap<ResourceId, NodeIndex>,
    edges: DiGraph<Node, Edge>,
}

/// A published port of a container that has no way out: the gateway publishes one of its own, and relays it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// The port of the gateway's container.
    pub listen: Port,
    pub to: ResourceId,
    /// The port as the spec has it.
    pub port: PortConfig,
}

/// A desired resource.
#[derive(Debug, Clone)]
pub struct Node {
    pub id: ResourceId,
    pub role: Role,
    pub config: Config,
    /// The proof of readiness; containers only.
    pub probe: Option<Probe>,
    /// Known meanings of its exit codes.
    pub failures: Vec<KnownFailure>,
}

impl Node {
    /// Whether it is a one-shot command: a main container that the engine does not restart after exit code 0.
    /// Completion then counts as running.
    pub fn may_complete(&self) -> bool {
        let ends = |config: &Config| match config {
            Config::Container(it) => matches!(it.restart, RestartPolicy::No | RestartPolicy::OnFailure),
            _ => false,
        };
        self.role == Role::Main && ends(&self.config)
    }
}

/// A dependency of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub gates: Gate,
    pub until: Milestone,
}

/// The step of the dependent that requires the milestone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    Create,
    Start,
    /// The proof of readiness: the dependent starts beside the dependency, and its own program waits.
    Prove,
}

/// The milestone that a dependency must have reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Milestone {
    Created,
    Started,
    Ready,
}

/// A dependency as the planner uses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency<'a> {
    pub on: &'a ResourceId,
    pub edge: Edge,
}

/// Why resources do not form a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    #[error("`{0}` is defined twice")]
    Duplicate(ResourceId),
    #[error("`{from}` depends on `{on}`, which is not defined")]
    Dangling { from: ResourceId, on: ResourceId },
    #[error("dependencies form a cycle: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> "))]
    Cycle(Vec<ResourceId>),
}

impl Graph {
    /// An empty graph of `run`.
    pub fn empty(run: Run) -> Self {
        let (resolutions, files, nodes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { run, builds: None, approved: None, resolutions, files, relays: Vec::new(), nodes, edges: DiGraph::new() }
    }

    /// Builds a graph from resources.
    ///
    /// # Errors
    /// If a resource is defined twice, a dependency is not defined, or dependencies form a cycle.
    pub fn build(
        run: Run,
        builds: Option<Builds>,
        nodes: Vec<Node>,
        dependencies: &[(ResourceId, ResourceId, Edge)],
    ) -> Result<Self, GraphError> {
        let mut graph = Self { builds, ..Self::empty(run) };
        for node in nodes {
            let id = node.id.clone();
            let index = graph.edges.add_node(node);
            if graph.nodes.insert(id.clone(), index).is_some() {
                return Err(GraphError::Duplicate(id));
            }
        }
        for (from, on, edge) in dependencies {
            let dangling = || GraphError::Dangling { from: from.clone(), on: on.clone() };
            let (dependent, dependency) = (graph.nodes.get(from), graph.nodes.get(on));
            let (dependent, dependency) = dependent.zip(dependency).ok_or_else(dangling)?;
            graph.edges.add_edge(*dependency, *dependent, *edge);
        }
        graph.refuse_cycles()?;
        Ok(graph)
    }

    /// A digest of the content: equal if and only if the desired state and the run are equal.
    pub fn digest(&self) -> String {
        let nodes = self.in_order().into_iter().map(|node| (node, self.dependencies(&node.id)));
        sha256(format!("{:?} {:?} {:?}", self.run, self.builds, nodes.collect::<Vec<_>>()))
    }

    /// The same graph with other configurations of some resources.
    #[must_use]
    pub fn with_configs(&self, configs: BTreeMap<ResourceId, Config>) -> Self {
        let mut graph = self.clone();
        for (id, config) in configs {
            if let Some(index) = graph.nodes.get(&id) {
                graph.edges[*index].config = config;
            }
        }
        graph
    }

    pub fn node(&self, id: &ResourceId) -> Option<&Node> {
        self.nodes.get(id).map(|index| &self.edges[*index])
    }

    /// All resources, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().map(|index| &self.edges[*index])
    }

    /// All resources, dependencies first, then by id, so that the order is deterministic.
    pub fn in_order(&self) -> Vec<&Node> {
        let mut waiting: BTreeMap<&ResourceId, usize> =
            self.nodes.iter().map(|(id, index)| (id, self.edges.edges_directed(*index, Incoming).count())).collect();
        let mut order = Vec::with_capacity(waiting.len());
        while let Some(next) = waiting.iter().find(|(_, count)| **count == 0).map(|(id, _)| *id) {
            waiting.remove(next);
            let index = self.nodes[next];
            for edge in self.edges.edges_directed(index, Outgoing) {
                if let Some(count) = waiting.get_mut(&self.edges[edge.target()].id) {
                    *count -= 1;
                }
            }
            order.push(&self.edges[index]);
        }
        order
    }

    /// The dependencies of `id`, sorted.
    pub fn dependencies(&self, id: &ResourceId) -> Vec<Dependency<'_>> {
        let Some(index) = self.nodes.get(id) else { return Vec::new() };
        let edges = self.edges.edges_directed(*index, Incoming);
        let mut all: Vec<_> =
            edges.map(|edge| Dependency { on: &self.edges[edge.source()].id, edge: *edge.weight() }).collect();
        all.sort();
        all
    }

    /// The path around a cycle; petgraph only returns one of its nodes.
    fn refuse_cycles(&self) -> Result<(), GraphError> {
        let is_cycle =
            |group: &Vec<NodeIndex>| group.len() > 1 || group.iter().any(|node| self.edges.contains_edge(*node, *node));
        let Some(group) = tarjan_scc(&self.edges).into_iter().find(is_cycle) else { return Ok(()) };
        let start = group[0];
        let mut way = vec![start];
        let mut here = start;
        while let Some(next) = self.edges.neighbors(here).find(|next| group.contains(next)) {
            if let Some(at) = way.iter().position(|seen| *seen == next) {
                way.drain(..at);
                way.push(next);
                break;
            }
            way.push(next);
            here = next;
        }
        Err(GraphError::Cycle(way.into_iter().map(|index| self.edges[index].id.clone()).collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::resource::{AgentName, Retention, VolumeConfig};

    fn node(name: &str) -> Node {
        let config = Config::Volume(VolumeConfig { retention: Retention::Keep });
        Node { id: ResourceId::volume(name), role: Role::Support, config, probe: None, failures: Vec::new() }
    }

    fn build(names: &[&str], edges: &[(&str, &str)]) -> Result<Graph, GraphError> {
        let run = Run::derive(AgentName::parse("a").unwrap(), Path::new("/a"));
        let edge = Edge { gates: Gate::Create, until: Milestone::Created };
        let edges: Vec<_> =
            edges.iter().map(|(from, on)| (ResourceId::volume(*from), ResourceId::volume(*on), edge)).collect();
        Graph::build(run, None, names.iter().map(|name| node(name)).collect(), &edges)
    }

    #[test]
    fn dependencies_come_first_and_equals_by_name() {
        let graph = build(&["a", "b", "c", "d"], &[("a", "d"), ("b", "a")]).unwrap();
        let order: Vec<_> = graph.in_order().iter().map(|node| node.id.name.clone()).collect();
        assert_eq!(order, ["c", "d", "a", "b"]);
    }

    #[test]
    fn a_cycle_is_reported_as_a_path() {
        let error = build(&["a", "b", "c"], &[("a", "b"), ("b", "c"), ("c", "b")]).unwrap_err();
        assert!(matches!(&error, GraphError::Cycle(way) if way.len() == 3 && way.first() == way.last()), "{error}");
        assert!(matches!(build(&["a"], &[("a", "a")]), Err(GraphError::Cycle(_))));
    }

    #[test]
    fn an_undefined_dependency_is_an_error() {
        assert!(matches!(build(&["a"], &[("a", "b")]), Err(GraphError::Dangling { .. })));
        assert!(matches!(build(&["a", "a"], &[]), Err(GraphError::Duplicate(_))));
    }
}

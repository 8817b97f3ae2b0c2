//! The desired state as a graph: resources, and the milestones that they wait for.
//!
//! Built once from a spec and the capabilities, never changed. Knows nothing of what exists.

pub mod compile;

use std::collections::BTreeMap;

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use serde::Serialize;

pub use compile::compile;

use crate::resource::{Config, Probe, ResourceId, Role, Run};
use crate::spec::capability::{Builds, KnownFailure};

/// What one run should be.
#[derive(Debug, Clone)]
pub struct Graph {
    pub run: Run,
    /// How builds reach their sidecar, if the spec asks for one.
    pub builds: Option<Builds>,
    nodes: BTreeMap<ResourceId, NodeIndex>,
    edges: DiGraph<Node, Edge>,
}

/// A resource as it is wanted.
#[derive(Debug, Clone)]
pub struct Node {
    pub id: ResourceId,
    pub role: Role,
    pub config: Config,
    /// How it is proven to be ready; containers only.
    pub probe: Option<Probe>,
    /// What its exit codes mean.
    pub failures: Vec<KnownFailure>,
}

/// What one resource waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub gates: Gate,
    pub until: Milestone,
}

/// The step of the dependent that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    Create,
    Start,
}

/// What a dependency must have reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Milestone {
    Created,
    Started,
    Ready,
    Completed,
}

/// A dependency as the planner sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency<'a> {
    pub on: &'a ResourceId,
    pub edge: Edge,
}

/// Why resources do not make a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    #[error("`{0}` is defined twice")]
    Duplicate(ResourceId),
    #[error("`{from}` depends on `{on}`, which is not defined")]
    Dangling { from: ResourceId, on: ResourceId },
    #[error("dependencies form a cycle: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> "))]
    Cycle(Vec<ResourceId>),
}

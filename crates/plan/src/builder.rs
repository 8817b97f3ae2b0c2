//! A plan under construction: the operations so far, and those that the milestones of resources require.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

use super::exclude;
use super::{Action, Cause, Handle, OpId, Operation, Options, Plan};
use moat_model::graph::{Gate, Graph, Milestone};
use moat_model::resource::{ContainerId, NetworkId, ResourceId};
use moat_model::state::Observed;

#[derive(Debug)]
pub(super) struct PlanBuilder<'a> {
    pub graph: &'a Graph,
    pub observed: &'a Observed,
    pub options: &'a Options,
    operations: Vec<Operation>,
    /// The operations required for a milestone of a resource. Absent if it is already reached.
    pending: BTreeMap<(ResourceId, Milestone), BTreeSet<OpId>>,
    /// The network that containers are connected to.
    pub networks: BTreeMap<ResourceId, Handle<NetworkId>>,
    /// The address ranges of these networks.
    pub subnets: BTreeMap<ResourceId, Ipv4Net>,
    /// The containers that are kept or created.
    pub containers: BTreeMap<ResourceId, Handle<ContainerId>>,
    /// Networks that are recreated: their containers refer to the old id.
    pub renewed: BTreeSet<ResourceId>,
    /// The stop of each container, by the engine's id.
    pub stopped: BTreeMap<String, OpId>,
    /// The removal of each container and network, by the engine's id.
    pub removed: BTreeMap<String, OpId>,
}

impl<'a> PlanBuilder<'a> {
    pub fn new(graph: &'a Graph, observed: &'a Observed, options: &'a Options) -> Self {
        Self {
            graph,
            observed,
            options,
            operations: Vec::new(),
            pending: BTreeMap::new(),
            networks: BTreeMap::new(),
            subnets: BTreeMap::new(),
            containers: BTreeMap::new(),
            renewed: BTreeSet::new(),
            stopped: BTreeMap::new(),
            removed: BTreeMap::new(),
        }
    }

    /// Adds an operation on `resource`, named `name` on the engine.
    pub fn add(
        &mut self,
        resource: &ResourceId,
        name: impl Into<String>,
        action: Action,
        cause: Cause,
        after: impl IntoIterator<Item = OpId>,
    ) -> OpId {
        let id = OpId(self.operations.len());
        let after: BTreeSet<OpId> = after.into_iter().collect();
        let name = name.into();
        let after = after.into_iter().collect();
        self.operations.push(Operation { id, resource: resource.clone(), name, action, cause, after });
        id
    }

    /// Makes `milestone` of `resource` require `operation`.
    pub fn hold(&mut self, resource: &ResourceId, milestone: Milestone, operation: OpId) {
        self.pending.entry((resource.clone(), milestone)).or_default().insert(operation);
    }

    /// The operations of dependencies that `resource` requires at `gate`.
    pub fn held(&self, resource: &ResourceId, gate: Gate) -> BTreeSet<OpId> {
        let dependencies = self.graph.dependencies(resource).into_iter().filter(|it| it.edge.gates == gate);
        dependencies.flat_map(|it| self.reached(it.on, it.edge.until)).collect()
    }

    /// The operations required for `milestone` of `resource`.
    pub fn reached(&self, resource: &ResourceId, milestone: Milestone) -> BTreeSet<OpId> {
        self.pending.get(&(resource.clone(), milestone)).cloned().unwrap_or_default()
    }

    pub fn finish(self) -> Plan {
        Plan { operations: exclude::without(self.operations, &self.options.leave) }
    }
}

//! A plan in the making: the operations so far, and which of them a milestone of a resource hangs on.

use std::collections::{BTreeMap, BTreeSet};

use super::exclude;
use super::{Action, Cause, Handle, OpId, Operation, Options, Plan};
use moat_model::graph::{Gate, Graph, Milestone};
use moat_model::resource::{NetworkId, ResourceId};
use moat_model::state::Observed;

#[derive(Debug)]
pub(super) struct PlanBuilder<'a> {
    pub graph: &'a Graph,
    pub observed: &'a Observed,
    pub options: &'a Options,
    operations: Vec<Operation>,
    /// What must have succeeded before a resource has reached a milestone. Absent: it has already.
    pending: BTreeMap<(ResourceId, Milestone), BTreeSet<OpId>>,
    /// The network that containers will be on.
    pub networks: BTreeMap<ResourceId, Handle<NetworkId>>,
    /// Networks that are made anew: their containers hold the old id.
    pub renewed: BTreeSet<ResourceId>,
    /// What stops a container, by the engine's id.
    pub stopped: BTreeMap<String, OpId>,
    /// What removes a container or a network, by the engine's id.
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
            renewed: BTreeSet::new(),
            stopped: BTreeMap::new(),
            removed: BTreeMap::new(),
        }
    }

    /// Adds an operation on `resource`, called `name` on the engine.
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

    /// From now on `resource` has reached `milestone` only once `operation` has succeeded.
    pub fn hold(&mut self, resource: &ResourceId, milestone: Milestone, operation: OpId) {
        self.pending.entry((resource.clone(), milestone)).or_default().insert(operation);
    }

    /// What the dependencies of `resource` hold back at `gate`.
    pub fn held(&self, resource: &ResourceId, gate: Gate) -> BTreeSet<OpId> {
        let dependencies = self.graph.dependencies(resource).into_iter().filter(|it| it.edge.gates == gate);
        dependencies.flat_map(|it| self.reached(it.on, it.edge.until)).collect()
    }

    /// What must have succeeded before `resource` has reached `milestone`.
    pub fn reached(&self, resource: &ResourceId, milestone: Milestone) -> BTreeSet<OpId> {
        self.pending.get(&(resource.clone(), milestone)).cloned().unwrap_or_default()
    }

    pub fn finish(self) -> Plan {
        Plan { operations: exclude::without(self.operations, &self.options.leave) }
    }
}

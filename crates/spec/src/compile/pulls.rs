//! Pulls of the build sidecar from the registries of the rules: it uses the proxy of the gateway and trusts its certificates,
//! as main does with its Docker daemon.

use super::{Parts, agent_plane};
use crate::Spec;
use moat_model::graph::{Edge, Gate, Milestone};
use moat_model::resource::{Config, ResourceId};
use moat_policy::Policy;

/// Prepares the build sidecar. Only for a rule that names a registry: a build has no other use of the proxy.
pub(super) fn add(parts: &mut Parts, spec: &Spec, policy: &Policy, builder: Option<&ResourceId>, trust: &ResourceId) {
    let Some(builder) = builder.filter(|_| policy.has_registries()) else { return };
    let variables = agent_plane::proxy_variables(parts, spec);
    let mut configs = parts.nodes.iter_mut().filter(|node| node.id == *builder).map(|node| &mut node.config);
    if let Some(Config::Container(config)) = configs.next() {
        agent_plane::prepare(config, variables, trust);
    }
    parts.edges.push((builder.clone(), trust.clone(), Edge { gates: Gate::Create, until: Milestone::Created }));
}

//! What a sandbox's network reaches beyond the rules before: the policies are compared by what they allow.

use moat_model::graph::Graph;
use moat_model::resource::{Config, ResourceId};
use moat_policy::{Policy, Widening as Wider, widenings};

/// What the network reaches beyond earlier rules, by the id of the gateway. Without earlier rules nothing is compared: a
/// new network with a policy reaches less than one without.
pub(super) fn reach(graph: &Graph, earlier: impl Fn(&ResourceId) -> Option<String>) -> Vec<(ResourceId, String)> {
    let mut all = Vec::new();
    for node in graph.nodes() {
        let Config::Policy(config) = &node.config else { continue };
        let old = earlier(&config.gateway).and_then(|text| Policy::from_json(&text).ok());
        let (Some(old), Ok(new)) = (old, Policy::from_json(&config.text)) else { continue };
        let targets = widenings(Some(&new), Some(&old)).into_iter().map(target);
        all.extend(targets.map(|target| (node.id.clone(), target)));
    }
    all
}

fn target(wider: Wider) -> String {
    match wider {
        Wider::Open => "everything".to_owned(),
        Wider::Learn => "every public host (policy: learn)".to_owned(),
        Wider::Rule { rule, hosts } => {
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            if hosts == [rule.as_str()] { rule } else { format!("{rule}: {}", hosts.join(", ")) }
        }
        Wider::HostPort(port) => format!("port {port} of the Docker host"),
        Wider::Grant(name) => format!("the hosts of the grant {name}, with its credential"),
    }
}

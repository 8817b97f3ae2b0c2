//! Mounts that a plan must not make: paths that another sandbox could replace by a link, and missing volumes.
//!
//! Only the engine shows both. Errors of the spec itself are reported when it is compiled.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Action, Operation, Plan};
use moat_model::graph::Graph;
use moat_model::resource::{ContainerConfig, HostFile, MountSource};
use moat_model::state::{ContainerFacts, Observed};

/// An operation that must not be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub operation: Operation,
    pub reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Docker would create it, empty and without an owner.
    NoVolume { name: String },
    /// A sandbox of `agent` can write to `folder`, and `path` leads through it.
    Exchangeable { path: String, folder: String, agent: String },
}

impl Reason {
    pub fn message(&self) -> String {
        match self {
            Self::NoVolume { name } => format!("there is no volume `{name}`"),
            Self::Exchangeable { path, folder, agent } => {
                format!("`{path}` is in the folder `{folder}`, which the sandbox of `{agent}` can write to")
            }
        }
    }

    pub fn hint(&self) -> String {
        match self {
            Self::NoVolume { name } => {
                format!("write `./{name}` for a folder beside the spec; list a volume of this sandbox under `volumes`")
            }
            Self::Exchangeable { folder, .. } => {
                format!(
                    "that sandbox could replace it by a link to any path of the Docker host; mount `{folder}` itself, or another path"
                )
            }
        }
    }
}

/// The operations of `plan` that must not be executed, in its order.
pub fn refusals(graph: &Graph, observed: &Observed, plan: &Plan) -> Vec<Refusal> {
    let of = |(operation, config): (&Operation, &ContainerConfig)| {
        let reasons = of_container(graph, observed, config);
        reasons.into_iter().map(|reason| Refusal { operation: operation.clone(), reason }).collect::<Vec<_>>()
    };
    creations(plan).flat_map(of).collect()
}

/// The paths of the Docker host that the containers created by `plan` mount, sorted.
pub fn host_paths(plan: &Plan) -> BTreeSet<&str> {
    let mounts = creations(plan).flat_map(|(_, config)| &config.mounts);
    mounts.filter_map(|mount| mount.path()?.to_str()).collect()
}

/// The operations of `plan` that create a container, each with its configuration.
fn creations(plan: &Plan) -> impl Iterator<Item = (&Operation, &ContainerConfig)> {
    plan.operations.iter().filter_map(|operation| match &operation.action {
        Action::CreateContainer { config, .. } => Some((operation, &**config)),
        _ => None,
    })
}

/// The first mounted file of the host that was replaced since the start: the container still has the old one.
pub(super) fn replaced(
    graph: &Graph,
    observed: &Observed,
    config: &ContainerConfig,
    facts: &ContainerFacts,
) -> Option<String> {
    let started = observed.live.get(&facts.id)?.started?;
    let noted = |path: &str| facts.owner.as_ref()?.files.get(path).map(String::as_str);
    let is_other = |(path, file): &(&str, HostFile)| file.is_newer_than(started, noted(path));
    mounted(graph, config).find(is_other).map(|(path, _)| path.to_owned())
}

/// The single files of the host that are mounted into a container.
pub(super) fn mounted<'a>(graph: &'a Graph, config: &'a ContainerConfig) -> impl Iterator<Item = (&'a str, HostFile)> {
    config.mounts.iter().filter_map(|mount| {
        let path = mount.path()?;
        Some((path.to_str()?, *graph.files.get(path)?))
    })
}

fn of_container(graph: &Graph, observed: &Observed, config: &ContainerConfig) -> Vec<Reason> {
    let reason = |source: &MountSource| match source {
        MountSource::Foreign(name) => {
            let is_there = observed.all_volumes.as_ref().is_none_or(|all| all.contains(name));
            (!is_there).then(|| Reason::NoVolume { name: name.clone() })
        }
        MountSource::Path(path) if !is_approved_by_name(graph, path) => replaceable(graph, observed, path),
        _ => None,
    };
    config.mounts.iter().filter_map(|mount| reason(&mount.source)).collect()
}

/// Whether a user approved the path by name.
fn is_approved_by_name(graph: &Graph, path: &str) -> bool {
    graph.approved.as_ref().is_some_and(|it| it.named.contains(path))
}

/// Only paths strictly below a writable folder: a folder itself cannot be replaced from inside.
fn replaceable(graph: &Graph, observed: &Observed, path: &str) -> Option<Reason> {
    let links = graph.resolutions.get(Path::new(path)).into_iter().flatten().map(PathBuf::as_path);
    let places: Vec<&Path> = std::iter::once(Path::new(path)).chain(links).collect();
    let is_in = |folder: &str| {
        let folder = Path::new(folder);
        places.iter().any(|place| place.starts_with(folder) && *place != folder)
    };
    let (folder, agent) = observed.writable.iter().flatten().find(|(folder, _)| is_in(folder))?;
    Some(Reason::Exchangeable { path: path.to_owned(), folder: folder.clone(), agent: agent.clone() })
}

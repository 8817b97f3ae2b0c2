//! What a plan must not mount: what another sandbox could exchange for a link, and a volume that is not there.
//!
//! Both show only on the engine. What is wrong with a spec by itself is told when it is compiled.

use std::path::{Path, PathBuf};

use super::{Action, Operation, Plan};
use moat_model::graph::Graph;
use moat_model::resource::{ContainerConfig, HostFile, MountSource};
use moat_model::state::{ContainerFacts, Observed};

/// An operation that must not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub operation: Operation,
    pub reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Docker would make it, empty, and nobody would own it.
    NoVolume { name: String },
    /// A sandbox of `agent` can write `folder`, and `path` leads through that.
    Exchangeable { path: String, folder: String, agent: String },
}

impl Reason {
    pub fn message(&self) -> String {
        match self {
            Self::NoVolume { name } => format!("there is no volume `{name}`"),
            Self::Exchangeable { path, folder, agent } => {
                format!("`{path}` is in a folder that the sandbox of `{agent}` can write: `{folder}`")
            }
        }
    }

    pub fn hint(&self) -> String {
        match self {
            Self::NoVolume { name } => format!(
                "for the folder beside the spec write `./{name}`; for a volume of the sandbox's own list it under `volumes`"
            ),
            Self::Exchangeable { folder, .. } => {
                format!(
                    "a link put in its place would lead anywhere on the Docker host; mount `{folder}` itself, or another path"
                )
            }
        }
    }
}

/// Everything in `plan` that must not be carried out, in its order.
pub fn refusals(graph: &Graph, observed: &Observed, plan: &Plan) -> Vec<Refusal> {
    let creations = plan.operations.iter().filter_map(|operation| match &operation.action {
        Action::CreateContainer { config, .. } => Some((operation, &**config)),
        _ => None,
    });
    let of = |(operation, config): (&Operation, &ContainerConfig)| {
        let reasons = of_container(graph, observed, config);
        reasons.into_iter().map(|reason| Refusal { operation: operation.clone(), reason }).collect::<Vec<_>>()
    };
    creations.flat_map(of).collect()
}

/// The first file of this machine that was replaced since the container was started: it still has the old one.
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

/// The files of this machine that are mounted into a container by themselves.
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
        MountSource::Path(path) if !may_lie_anywhere(graph, path) => exchangeable(graph, observed, path),
        _ => None,
    };
    config.mounts.iter().filter_map(|mount| reason(&mount.source)).collect()
}

/// A person was asked about it by name.
fn may_lie_anywhere(graph: &Graph, path: &str) -> bool {
    graph.approved.as_ref().is_some_and(|it| it.named.contains(path))
}

/// Strictly below: a folder as a whole cannot be exchanged from inside.
fn exchangeable(graph: &Graph, observed: &Observed, path: &str) -> Option<Reason> {
    let way = graph.ways.get(Path::new(path)).into_iter().flatten().map(PathBuf::as_path);
    let places: Vec<&Path> = std::iter::once(Path::new(path)).chain(way).collect();
    let is_in = |folder: &str| {
        let folder = Path::new(folder);
        places.iter().any(|place| place.starts_with(folder) && *place != folder)
    };
    let (folder, agent) = observed.writable.iter().find(|(folder, _)| is_in(folder))?;
    Some(Reason::Exchangeable { path: path.to_owned(), folder: folder.clone(), agent: agent.clone() })
}

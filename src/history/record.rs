//! The record of a run: its last state, in one file that is replaced as a whole.

use std::fs::read_to_string;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::line::Fault;
use super::{HistoryError, Place, VERSION, Versioned};
use crate::clock::written;
use crate::local::atomic;
use moat_model::resource::{ResourceId, Run};
use moat_model::state::{ContainerState, Observed};

/// The last state of a run on an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    pub v: u32,
    /// The name of the agent.
    pub name: String,
    /// The id of the run.
    pub run: String,
    /// The canonical path of the spec.
    pub spec: String,
    /// The directory of the spec.
    pub workspace: String,
    pub engine: String,
    /// Published ports, for example `127.0.0.1:8080->80/tcp`.
    pub ports: Vec<String>,
    /// The id of the main container.
    pub container_id: Option<String>,
    pub buildkit_container_id: Option<String>,
    pub network_id: Option<String>,
    pub resources: Vec<Resource>,
    /// A state of `moat status`: `ready`, `stopped`, …; `unknown` if the engine could not be reached, or no command
    /// determined the state.
    pub state: String,
    /// Whether the last changing command ran on a terminal.
    pub interactive: bool,
    pub created_at: Option<String>,
    pub started_at: Option<String>,
    pub stopped_at: Option<String>,
    /// The error of the last command; null if it succeeded.
    pub error: Option<Fault>,
    pub updated_at: String,
}

/// A resource of a run on the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    pub resource: String,
    pub name: String,
    /// The id on the engine; none for a volume.
    pub id: Option<String>,
}

/// The name of the build sidecar in every run.
const BUILDKIT: &str = "buildkit";

impl RunRecord {
    /// Builds a record from the labels on the engine, which contain all data to replace a lost record.
    pub fn of(run: &Run, engine: &str, observed: &Observed, now: Timestamp) -> Self {
        let id = |name: &str| {
            let resource = ResourceId::container(name);
            observed.containers_of(&resource).last().map(|facts| facts.id.to_string())
        };
        let created = observed.containers.iter().map(|facts| facts.created).min();
        let created = created.and_then(|seconds| Timestamp::from_second(seconds).ok()).map(written);
        let runs = observed.containers.iter().any(|facts| facts.state == ContainerState::Running);
        let workspace = Path::new(&run.spec).parent().map(|path| path.display().to_string());
        Self {
            v: VERSION,
            name: run.agent.to_string(),
            run: run.id.to_string(),
            spec: run.spec.clone(),
            workspace: workspace.unwrap_or_default(),
            engine: engine.to_owned(),
            ports: Vec::new(),
            container_id: id(&ResourceId::main().name),
            buildkit_container_id: id(BUILDKIT),
            network_id: observed.networks.last().map(|facts| facts.id.to_string()),
            resources: resources(observed),
            state: "unknown".to_owned(),
            interactive: false,
            started_at: created.clone().filter(|_| runs),
            created_at: created,
            stopped_at: None,
            error: None,
            updated_at: written(now),
        }
    }

    /// Reads a record; `None` if it does not exist.
    ///
    /// # Errors
    /// If it cannot be read, or has a newer version.
    pub fn read(path: &Path) -> Result<Option<Self>, HistoryError> {
        let text = match read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
            text => text.map_err(|source| HistoryError::File { path: path.to_owned(), source })?,
        };
        match serde_json::from_str::<Versioned>(&text) {
            Ok(found) if found.v > VERSION => Err(HistoryError::Newer { path: path.to_owned() }),
            _ => serde_json::from_str(&text).map(Some).map_err(|_| HistoryError::Corrupt { path: path.to_owned() }),
        }
    }

    /// Replaces the record atomically. A record of a newer version is left unchanged.
    ///
    /// # Errors
    /// If the record was not written, or an unreadable one was replaced.
    pub fn write(mut self, place: &Place) -> Result<(), HistoryError> {
        let path = &place.record;
        let before = Self::read(path);
        if let Err(HistoryError::Newer { .. } | HistoryError::File { .. }) = before {
            return before.map(drop);
        }
        if let Ok(Some(before)) = &before {
            self.keep(before);
        }
        let refused = |source| HistoryError::File { path: path.clone(), source };
        let text = serde_json::to_string_pretty(&self).unwrap_or_else(|error| unreachable!("plain values: {error}"));
        atomic::write(path, &(text + "\n")).map_err(refused)?;
        before.map(drop)
    }

    /// Keeps data of the previous record that is still valid.
    fn keep(&mut self, before: &Self) {
        let same = self.container_id.is_some() && self.container_id == before.container_id;
        if same && self.started_at.is_some() && before.stopped_at.is_none() {
            self.started_at.clone_from(&before.started_at);
        }
        if before.created_at.is_some() && before.state != "absent" {
            self.created_at.clone_from(&before.created_at);
        }
        if self.stopped_at.is_none() && self.started_at.is_none() {
            self.stopped_at.clone_from(&before.stopped_at);
        }
    }
}

fn resources(observed: &Observed) -> Vec<Resource> {
    let of = |owner: Option<&moat_model::resource::label::Ownership>, name: &str, id: Option<String>| {
        owner.map(|owner| Resource { resource: owner.resource.to_string(), name: name.to_owned(), id })
    };
    let containers =
        observed.containers.iter().filter_map(|it| of(it.owner.as_ref(), &it.name, Some(it.id.to_string())));
    let networks = observed.networks.iter().filter_map(|it| of(it.owner.as_ref(), &it.name, Some(it.id.to_string())));
    let volumes = observed.volumes.iter().filter_map(|it| of(it.owner.as_ref(), &it.name, None));
    let mut all: Vec<Resource> = networks.chain(volumes).chain(containers).collect();
    all.sort_by(|a, b| (&a.resource, &a.name).cmp(&(&b.resource, &b.name)));
    all
}

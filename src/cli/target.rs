//! The sandbox of a command: an agent's name, a run id, or a spec.
//!
//! A path is never taken for a name: `./builder` is a directory even if an agent is called `builder`.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use futures_util::future::try_join3;

use crate::cli::candidates::agents;
use crate::cli::default_spec;
use crate::cli::error::{CliError, WhyNotRunning};
use crate::cli::load::{self, Agent, Load};
use crate::cli::load_error::LoadError;
use crate::cli::spec_files;
use crate::cli::state_directory::state_directory;
use crate::history::read::records;
use crate::observe::runs::{Found, runs};
use moat_model::engine::{Engine, Filter};
use moat_model::graph::Graph;
use moat_model::resource::{ResourceId, Run};
use moat_model::state::{ContainerFacts, ContainerState, Observed};
use moat_plan::Condition;
use moat_spec::suggest::suggest;

#[derive(Debug, Clone, Args)]
pub struct Target {
    /// Agent name, run id, or spec file or directory
    #[arg(value_name = "AGENT", default_value = default_spec::path(), add = ArgValueCandidates::new(agents))]
    agent: String,
}

/// A sandbox argument, before it is looked up on the engine.
#[derive(Debug)]
pub enum Named {
    Spec(Box<Agent>),
    Name(String),
    /// A spec that is now invalid, from which this run was applied.
    Applied {
        run: String,
        faults: Vec<LoadError>,
    },
}

/// A sandbox, existing or not.
#[derive(Debug)]
pub struct Sandbox {
    pub run: Run,
    /// Its agent. `None`: it was found by name, and its spec is missing or invalid.
    pub agent: Option<Agent>,
    /// Without images and without the addresses in use.
    pub observed: Observed,
}

impl Target {
    /// Parses the argument without an engine, so that an invalid spec is reported first.
    ///
    /// # Errors
    /// If the spec is missing or invalid.
    pub fn read(&self) -> Result<Named, CliError> {
        named(&self.agent)
    }

    /// The argument for a suggested command, with a leading space; empty for the default spec.
    pub fn as_argument(&self) -> String {
        if self.agent == default_spec::path() { String::new() } else { format!(" {}", self.agent) }
    }
}

/// Parses a sandbox argument.
///
/// # Errors
/// If the spec is missing or invalid.
pub fn named(text: &str) -> Result<Named, CliError> {
    if !is_path(text) {
        return Ok(Named::Name(text.to_owned()));
    }
    let given = PathBuf::from(text);
    match load::one(&given) {
        Ok(agent) => Ok(Named::Spec(Box::new(agent))),
        Err(faults) => match applied_from(&given, &faults) {
            Some(run) => Ok(Named::Applied { run, faults }),
            None => Err(CliError::Load(faults)),
        },
    }
}

/// The only run that was applied from an invalid spec, from the run records: a typo in the spec must not prevent stopping
/// or inspecting the sandbox.
pub fn applied_from(spec: &Path, faults: &[LoadError]) -> Option<String> {
    if faults.iter().any(|it| it.findings().is_none()) {
        return None;
    }
    let spec = spec_files::file(spec).canonicalize().ok()?;
    let (records, _) = records(&state_directory()?);
    let of_it = records.into_iter().filter(|it| Path::new(&it.spec) == spec && it.state != Condition::Absent.as_str());
    let mut runs: Vec<String> = of_it.map(|it| it.run).collect();
    runs.sort();
    runs.dedup();
    if runs.len() == 1 { runs.pop() } else { None }
}

/// The graph of a sandbox with its built image, without an engine: names are looked up in the run records.
///
/// # Errors
/// If the name is unknown, or its spec is missing or invalid.
pub fn recorded_graph(text: &str) -> Result<Graph, CliError> {
    recorded_to(Load::Build, text)
}

/// The graph of a sandbox without its build context, without an engine.
///
/// # Errors
/// As [`recorded_graph`].
pub fn recorded(text: &str) -> Result<Graph, CliError> {
    recorded_to(Load::Identity, text)
}

fn recorded_to(depth: Load, text: &str) -> Result<Graph, CliError> {
    if is_path(text) {
        return load::only_graph(&PathBuf::from(text), depth).map_err(CliError::Load);
    }
    let known = state_directory().map(|dir| records(&dir).0).unwrap_or_default();
    let Some(record) = known.iter().find(|it| it.run == text || it.name == text) else {
        let meant = suggest(text, known.iter().flat_map(|it| [it.name.as_str(), it.run.as_str()])).map(str::to_owned);
        return Err(CliError::NoRecord { name: text.to_owned(), meant });
    };
    let graphs = load::graphs(Path::new(&record.spec), depth).map_err(CliError::Load)?;
    let (agent, spec) = (record.name.clone(), record.spec.clone());
    graphs.into_iter().find(|graph| graph.run.id.as_str() == record.run).ok_or(CliError::NoSpec { agent, spec })
}

/// Returns whether an argument is a path: it looks like one, or a file of that name exists.
pub fn is_path(text: &str) -> bool {
    let path = Path::new(text);
    // `-` is not a valid name; the error about standard input is more helpful.
    let looks = text.contains(MAIN_SEPARATOR) || [".", "..", "-"].contains(&text);
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    looks || yaml || path.exists()
}

impl Named {
    /// Looks up the sandbox on the engine, without its secrets. To compare or change it, use [`Sandbox::full`].
    ///
    /// # Errors
    /// If no run has that name, or several have.
    pub async fn find<E: Engine>(self, engine: &E) -> Result<Sandbox, CliError> {
        self.find_to(Load::Identity, engine).await
    }

    /// Looks up the sandbox like [`Named::find`], and loads the spec of a named run to `depth`.
    ///
    /// # Errors
    /// See [`Named::find`].
    pub async fn find_to<E: Engine>(self, depth: Load, engine: &E) -> Result<Sandbox, CliError> {
        match self {
            Self::Spec(agent) => {
                let run = agent.graph.run.clone();
                let filter = Filter::Run(run.id.clone());
                let lists = (engine.containers(&filter), engine.networks(&filter), engine.volumes(&filter));
                let (containers, networks, volumes) = try_join3(lists.0, lists.1, lists.2).await?;
                let observed = Observed { networks, volumes, containers, ..Observed::default() };
                Ok(Sandbox { run, agent: Some(*agent), observed })
            }
            Self::Applied { run, faults } => {
                let found = runs(engine).await?.into_iter().find(|it| it.run.id.as_str() == run);
                let found = found.ok_or(CliError::Load(faults))?;
                Ok(Sandbox { run: found.run, agent: None, observed: found.observed })
            }
            Self::Name(name) => {
                let found = pick(&name, runs(engine).await?)?;
                let agent = agent_of(&found.run, depth);
                Ok(Sandbox { run: found.run, agent, observed: found.observed })
            }
        }
    }
}

/// The only run with a name, either its id or its agent's name.
fn pick(name: &str, found: Vec<Found>) -> Result<Found, CliError> {
    let is_it = |it: &Found| it.run.id.as_str() == name || it.run.agent.as_str() == name;
    let (mut these, others): (Vec<_>, Vec<_>) = found.into_iter().partition(is_it);
    match these.len() {
        1 => Ok(these.remove(0)),
        0 => {
            let names = others.iter().flat_map(|it| [it.run.agent.as_str(), it.run.id.as_str()]);
            let meant = suggest(name, names).map(str::to_owned);
            let is_container = others.iter().any(|it| has_container(it, name));
            Err(CliError::UnknownAgent { name: name.to_owned(), meant, is_container })
        }
        _ => {
            let runs = these.iter().map(|it| it.run.id.to_string()).collect();
            Err(CliError::SeveralRuns { name: name.to_owned(), runs })
        }
    }
}

fn has_container(found: &Found, name: &str) -> bool {
    found.observed.containers_of(&ResourceId::container(name)).next().is_some()
}

/// The agent of a named run, if its spec still declares it.
pub fn agent_of(run: &Run, depth: Load) -> Option<Agent> {
    let agents = load::load(&[PathBuf::from(&run.spec)], depth).agents.ok()?;
    agents.into_iter().find(|agent| agent.graph.run.id == run.id)
}

impl Sandbox {
    /// The graph of its spec, or an empty one if the spec is missing or invalid.
    pub fn graph_or_empty(&self) -> Graph {
        self.agent.as_ref().map_or_else(|| Graph::empty(self.run.clone()), |agent| agent.graph.clone())
    }

    /// Loads the whole spec, to be compared with the approval.
    ///
    /// # Errors
    /// If its spec is missing, invalid, or no longer declares it.
    pub fn full(&self) -> Result<Agent, CliError> {
        let run = &self.run;
        let missing = || CliError::NoSpec { agent: run.agent.to_string(), spec: run.spec.clone() };
        let agents = load::load(&[PathBuf::from(&run.spec)], Load::Full).agents.map_err(|faults| {
            // Its errors are more helpful than `NoSpec`.
            if faults.iter().all(|it| it.findings().is_some()) { CliError::Load(faults) } else { missing() }
        })?;
        agents.into_iter().find(|agent| agent.graph.run.id == run.id).ok_or_else(missing)
    }

    /// Returns the sandbox if it exists.
    ///
    /// # Errors
    /// If the sandbox has no containers on the engine.
    pub fn present(self) -> Result<Self, CliError> {
        if self.observed.containers.is_empty() {
            return Err(self.not_running("does not exist"));
        }
        Ok(self)
    }

    /// A container by its name in the sandbox, as in `main`; during a replacement the running one.
    ///
    /// # Errors
    /// If there is no container of that name.
    pub fn container(&self, name: &str) -> Result<&ContainerFacts, CliError> {
        let resource = ResourceId::container(name);
        let is_it = |facts: &&ContainerFacts| facts.owner.as_ref().is_some_and(|owner| owner.resource == resource);
        let mut found: Vec<&ContainerFacts> = self.observed.containers.iter().filter(is_it).collect();
        found.sort_by_key(|facts| facts.state != ContainerState::Running);
        if let Some(facts) = found.first() {
            return Ok(facts);
        }
        if resource == ResourceId::main() {
            return Err(self.not_running("does not exist"));
        }
        let names = self.container_names();
        let meant = suggest(name, names.iter().map(String::as_str)).map(str::to_owned);
        Err(CliError::UnknownContainer { name: name.to_owned(), agent: self.run.agent.to_string(), meant, names })
    }

    /// A running container, see [`Sandbox::container`].
    ///
    /// # Errors
    /// If the container does not exist or is not running.
    pub fn running(&self, name: &str) -> Result<&ContainerFacts, CliError> {
        let facts = self.container(name)?;
        match facts.state {
            ContainerState::Running => Ok(facts),
            _ if name == ResourceId::main().name && self.observed.has_completed() => {
                Err(self.not_running("has completed: its command exited"))
            }
            state if name == ResourceId::main().name => {
                Err(self.not_running(&format!("is not running ({})", state.as_str())))
            }
            state => Err(CliError::ContainerNotRunning { name: name.to_owned(), state: state.as_str() }),
        }
    }

    /// The names of its containers: main first, the others sorted.
    pub fn container_names(&self) -> Vec<String> {
        let owners = self.observed.containers.iter().filter_map(|facts| facts.owner.as_ref());
        let mut names: Vec<String> = owners.map(|owner| owner.resource.name.clone()).collect();
        let main = ResourceId::main().name;
        names.sort_by_key(|name| (*name != main, name.clone()));
        names.dedup();
        names
    }

    /// The error of a command that needs a running main container.
    pub fn not_running(&self, state: &str) -> CliError {
        let down = if self.observed.is_stopped() {
            WhyNotRunning::Stopped
        } else if self.observed.has_completed() {
            WhyNotRunning::Completed
        } else {
            WhyNotRunning::Broken
        };
        CliError::NotRunning { agent: self.run.agent.to_string(), state: state.to_owned(), down }
    }
}

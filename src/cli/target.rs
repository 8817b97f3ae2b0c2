//! Which sandbox a command is about: an agent's name, the id of a run, or a spec, in this order of likelihood to be
//! typed. One resolver for every command.
//!
//! What is a path is never taken for a name: `./builder` is a folder wherever `builder` may be an agent.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use futures_util::future::try_join3;

use crate::cli::commands::completions::agents;
use crate::cli::error::{CliError, Down};
use crate::cli::load::{self, Agent, Load, LoadError};
use crate::cli::nearest;
use crate::cli::record::own_files;
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
    #[arg(value_name = "AGENT", default_value = nearest::spec(), add = ArgValueCandidates::new(agents))]
    agent: String,
}

/// A sandbox that a user has named, before an engine has been asked.
#[derive(Debug)]
pub enum Named {
    Spec(Box<Agent>),
    Name(String),
    /// By a spec that cannot be used as it is now, from which this run was applied.
    Applied {
        run: String,
        faults: Vec<LoadError>,
    },
}

/// A sandbox that is there, or could be.
#[derive(Debug)]
pub struct Sandbox {
    pub run: Run,
    /// What is wanted of it; `None`: it was named, and its spec cannot be used any more.
    pub agent: Option<Agent>,
    /// Images, and which addresses are taken, are not looked at.
    pub observed: Observed,
}

impl Target {
    /// Takes the name apart from the engine's part in it, so that a wrong spec is told of where there is no engine.
    ///
    /// # Errors
    /// If it is a spec that cannot be used.
    pub fn read(&self) -> Result<Named, CliError> {
        named(&self.agent)
    }

    /// The words with which a user names the same again, as in `moat status builder`; empty for what is here.
    pub fn again(&self) -> String {
        if self.agent == nearest::spec() { String::new() } else { format!(" {}", self.agent) }
    }
}

/// # Errors
/// If it is a spec that cannot be used.
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

/// The only run that was applied from a spec, by the records of runs: what was made is there whatever its spec says by now,
/// and a slip of the pen keeps nobody from stopping it or from looking into it.
pub fn applied_from(spec: &Path, faults: &[LoadError]) -> Option<String> {
    if faults.iter().any(|it| it.findings().is_none()) {
        return None;
    }
    let spec = load::file(spec).canonicalize().ok()?;
    let (records, _) = records(&own_files()?);
    let of_it = records.into_iter().filter(|it| Path::new(&it.spec) == spec && it.state != Condition::Absent.as_str());
    let mut runs: Vec<String> = of_it.map(|it| it.run).collect();
    runs.sort();
    runs.dedup();
    if runs.len() == 1 { runs.pop() } else { None }
}

/// What is wanted of a sandbox and its image, where no engine is asked: what names stand for is known by the records of runs.
///
/// # Errors
/// If nothing is known of that name, or its spec cannot be used.
pub fn on_record(text: &str) -> Result<Graph, CliError> {
    if is_path(text) {
        return load::with_image(&PathBuf::from(text)).map_err(CliError::Load);
    }
    let known = own_files().map(|dir| records(&dir).0).unwrap_or_default();
    let Some(record) = known.iter().find(|it| it.run == text || it.name == text) else {
        let meant = suggest(text, known.iter().flat_map(|it| [it.name.as_str(), it.run.as_str()])).map(str::to_owned);
        return Err(CliError::Unheard { name: text.to_owned(), meant });
    };
    let graphs = load::with_images(Path::new(&record.spec)).map_err(CliError::Load)?;
    let (agent, spec) = (record.name.clone(), record.spec.clone());
    graphs.into_iter().find(|graph| graph.run.id.as_str() == record.run).ok_or(CliError::NoSpec { agent, spec })
}

/// Whether a text is meant as a file: it looks like one, or there is one.
pub fn is_path(text: &str) -> bool {
    let path = Path::new(text);
    // No sandbox is called `-`; whoever writes it means a file that comes in.
    let looks = text.contains(MAIN_SEPARATOR) || [".", "..", "-"].contains(&text);
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    looks || yaml || path.exists()
}

impl Named {
    /// Looks for it on the engine. Its secrets are not fetched for that: whoever compares or changes it asks for
    /// [`Sandbox::full`].
    ///
    /// # Errors
    /// If no run has that name, or several have.
    pub async fn find<E: Engine>(self, engine: &E) -> Result<Sandbox, CliError> {
        self.find_to(Load::Bare, engine).await
    }

    /// As [`Named::find`]; of one that is named with as much of its spec as is wanted.
    ///
    /// # Errors
    /// As that.
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

/// The one run that bears a name: its own id, or that of its agent.
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

/// What is wanted of a run that was named, if its spec still stands for it.
fn agent_of(run: &Run, depth: Load) -> Option<Agent> {
    let agents = load::load(&[PathBuf::from(&run.spec)], depth).agents.ok()?;
    agents.into_iter().find(|agent| agent.graph.run.id == run.id)
}

impl Sandbox {
    /// The graph of its spec, or, where there is none any more, one that wants nothing.
    pub fn graph_or_empty(&self) -> Graph {
        self.agent.as_ref().map_or_else(|| Graph::empty(self.run.clone()), |agent| agent.graph.clone())
    }

    /// All that is wanted of it, to be compared with what is approved.
    ///
    /// # Errors
    /// If its spec cannot be used, or does not stand for it any more.
    pub fn full(&self) -> Result<Agent, CliError> {
        let run = &self.run;
        let missing = || CliError::NoSpec { agent: run.agent.to_string(), spec: run.spec.clone() };
        let agents = load::load(&[PathBuf::from(&run.spec)], Load::Full).agents.map_err(|faults| {
            // What is wrong with it says more than that it cannot be used.
            if faults.iter().all(|it| it.findings().is_some()) { CliError::Load(faults) } else { missing() }
        })?;
        agents.into_iter().find(|agent| agent.graph.run.id == run.id).ok_or_else(missing)
    }

    /// # Errors
    /// If nothing of it is on the engine that could be stopped, started or looked into.
    pub fn present(self) -> Result<Self, CliError> {
        if self.observed.containers.is_empty() {
            return Err(self.not_running("does not exist"));
        }
        Ok(self)
    }

    /// A container by its name in the sandbox, as in `main`; of several in the middle of a replacement the one that runs.
    ///
    /// # Errors
    /// If there is none of that name.
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

    /// As [`Sandbox::container`], of one that must run.
    ///
    /// # Errors
    /// If it does not.
    pub fn running(&self, name: &str) -> Result<&ContainerFacts, CliError> {
        let facts = self.container(name)?;
        match facts.state {
            ContainerState::Running => Ok(facts),
            _ if name == ResourceId::main().name && self.observed.has_completed() => {
                Err(self.not_running("has completed: its command exited"))
            }
            state if name == ResourceId::main().name => {
                Err(self.not_running(&format!("is not running: it is {}", state.as_str())))
            }
            state => Err(CliError::ContainerNotRunning { name: name.to_owned(), state: state.as_str() }),
        }
    }

    /// The names of its containers, main first, the others by name.
    pub fn container_names(&self) -> Vec<String> {
        let owners = self.observed.containers.iter().filter_map(|facts| facts.owner.as_ref());
        let mut names: Vec<String> = owners.map(|owner| owner.resource.name.clone()).collect();
        let main = ResourceId::main().name;
        names.sort_by_key(|name| (*name != main, name.clone()));
        names.dedup();
        names
    }

    fn not_running(&self, state: &str) -> CliError {
        let down = if self.observed.is_stopped() {
            Down::Stopped
        } else if self.observed.has_completed() {
            Down::Completed
        } else {
            Down::Broken
        };
        CliError::NotRunning { agent: self.run.agent.to_string(), state: state.to_owned(), down }
    }
}

//! The sandboxes of a command on several Docker contexts. A run lives where its labels are found.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::cli::error::CliError;
use crate::cli::load::{self, Agent, Load};
use crate::cli::session::Session;
use crate::cli::target::{agent_of, is_path};
use crate::observe::runs::Found;
use moat_model::resource::{Run, RunId};
use moat_spec::suggest::suggest;

/// The sandboxes that the user selected, before a Docker host is asked.
pub struct Selected {
    agents: Vec<Agent>,
    names: Vec<String>,
    depth: Load,
}

impl Selected {
    /// Loads the specs among `specs`; all else are names.
    ///
    /// # Errors
    /// If a spec is missing or invalid.
    pub fn load(session: &Session, specs: &[PathBuf], depth: Load) -> Result<Self, CliError> {
        let (paths, names): (Vec<PathBuf>, Vec<PathBuf>) =
            specs.iter().cloned().partition(|spec| spec.to_str().is_none_or(is_path));
        let loaded = load::load(&paths, depth);
        session.say_skipped(&loaded.skipped);
        let agents = loaded.agents.map_err(CliError::Load)?;
        session.warn(&loaded.warnings);
        let names = names.iter().filter_map(|name| name.to_str()).map(str::to_owned).collect();
        Ok(Self { agents, names, depth })
    }

    /// The selected agents that live on a Docker host with the runs `found`.
    ///
    /// # Errors
    /// If a name is ambiguous there, or the spec of a named run is missing or invalid.
    pub fn among(&self, found: &[Found]) -> Result<Vec<Agent>, CliError> {
        let lives = |agent: &&Agent| found.iter().any(|it| it.run.id == agent.graph.run.id);
        let mut agents: Vec<Agent> = self.agents.iter().filter(lives).cloned().collect();
        for name in &self.names {
            let these: Vec<&Run> = found.iter().map(|it| &it.run).filter(|run| is_called(run, name)).collect();
            let run = match these[..] {
                [] => continue,
                [run] => run,
                _ => {
                    let runs = these.iter().map(|run| run.id.to_string()).collect();
                    return Err(CliError::SeveralRuns { name: name.clone(), runs });
                }
            };
            if agents.iter().any(|agent| agent.graph.run.id == run.id) {
                continue;
            }
            let no_spec = || CliError::NoSpec { agent: run.agent.to_string(), spec: run.spec.clone() };
            agents.push(agent_of(run, self.depth).ok_or_else(no_spec)?);
        }
        Ok(agents)
    }

    /// The agents of specs that live on no Docker host, given the runs of all.
    pub fn absent(&self, runs: &[Run]) -> Vec<Agent> {
        let known: BTreeSet<&RunId> = runs.iter().map(|run| &run.id).collect();
        self.agents.iter().filter(|agent| !known.contains(&agent.graph.run.id)).cloned().collect()
    }

    /// The selected names that none of `runs` has, each with its error.
    pub fn unknown(&self, runs: &[Run]) -> Vec<(String, CliError)> {
        let is_unknown = |name: &&String| runs.iter().all(|run| !is_called(run, name));
        let error = |name: &String| {
            let known = runs.iter().flat_map(|run| [run.agent.as_str(), run.id.as_str()]);
            let meant = suggest(name, known).map(str::to_owned);
            (name.clone(), CliError::UnknownAgent { name: name.clone(), meant, is_container: false })
        };
        self.names.iter().filter(is_unknown).map(error).collect()
    }
}

fn is_called(run: &Run, name: &str) -> bool {
    run.id.as_str() == name || run.agent.as_str() == name
}

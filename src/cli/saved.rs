//! Saved plans: `plan -o FILE` writes one, `apply FILE` compares it with a new plan before executing it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cli::environment::text;
use crate::cli::error::CliError;
use crate::cli::load::Agent;
use crate::local::plan_file;
use crate::observe::registry::{WithoutQuery, ask};
use crate::observe::{observe_with, proof};
use crate::ui;
use moat_docker::Docker;
use moat_model::graph::Graph;
use moat_model::resource::Run;
use moat_plan::Options;
use moat_plan::saved::{FORM, SavedAgent, SavedPlan, Stale};

/// The version of this moat.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A saved plan and its file.
#[derive(Debug)]
pub struct Saved {
    file: PathBuf,
    plan: SavedPlan,
}

/// Collects the plans of several agents for one file.
#[derive(Debug, Default)]
pub struct Collected(RefCell<Vec<SavedAgent>>);

impl Collected {
    pub fn take(&self, agent: SavedAgent) {
        self.0.borrow_mut().push(agent);
    }

    /// Writes the plans if all `count` agents have one, and returns whether it did.
    ///
    /// # Errors
    /// If the file cannot be written, or exists and is not a plan.
    pub fn write(self, file: &Path, count: usize, engine: &Docker) -> Result<bool, CliError> {
        let mut agents = self.0.into_inner();
        if agents.len() != count {
            return Ok(false);
        }
        agents.sort_by(|a, b| a.run.cmp(&b.run));
        let (moat, engine) = (VERSION.to_owned(), address(engine));
        let plan = SavedPlan { moat_plan: FORM, moat, engine, agents };
        let is_plan = |text: &str| is_plan(text);
        plan_file::write(file, &ui::json(&plan), is_plan)
            .map_err(|source| CliError::Create { file: file.display().to_string(), source })?;
        Ok(true)
    }
}

impl Saved {
    /// Finds a saved plan among the arguments.
    ///
    /// # Errors
    /// If there are other arguments beside it, or it is invalid.
    pub fn among(paths: &[PathBuf]) -> Result<Option<Self>, CliError> {
        let read = |path: &PathBuf| Some((path.clone(), text(path).ok().filter(|text| is_plan(text))?));
        let mut plans: Vec<(PathBuf, String)> = paths.iter().filter_map(read).collect();
        let Some((file, text)) = plans.pop() else { return Ok(None) };
        let refused = |what: &str| {
            let message = format!("`{}` {what}", file.display());
            CliError::Refused { message, hint: format!("create a new one: `moat plan -o {}`", file.display()) }
        };
        if paths.len() > 1 {
            let message = "a saved plan cannot be combined with other specs".to_owned();
            return Err(CliError::Usage { message, hint: "give only the plan file".to_owned() });
        }
        let plan: SavedPlan =
            serde_json::from_str(&text).map_err(|error| refused(&format!("is not a valid plan: {error}")))?;
        if plan.moat_plan != FORM || plan.moat != VERSION {
            return Err(refused(&format!("was made by moat {}, but this is moat {VERSION}", plan.moat)));
        }
        if plan.agents.is_empty() {
            return Err(refused("has no agents"));
        }
        Ok(Some(Self { file, plan }))
    }

    /// The specs of the plan, without duplicates.
    pub fn specs(&self) -> Vec<PathBuf> {
        let specs: BTreeSet<&String> = self.plan.agents.iter().map(|agent| &agent.spec).collect();
        specs.into_iter().map(PathBuf::from).collect()
    }

    /// Returns whether the tags of a run were resolved in their registries.
    pub fn pulls(&self, run: &Run) -> bool {
        self.of(run.id.as_str()).is_some_and(|agent| agent.pull)
    }

    fn of(&self, run: &str) -> Option<&SavedAgent> {
        self.plan.agents.iter().find(|agent| agent.run == run)
    }

    /// Checks that the plan was made for these agents on this engine.
    ///
    /// # Errors
    /// If it was not.
    pub fn is_of<'a>(&self, agents: impl Iterator<Item = &'a Agent>, engine: &Docker) -> Result<(), CliError> {
        let now = address(engine);
        if self.plan.engine != now {
            return Err(self.stale(&format!("it was made for the engine at {}, but this is {now}", self.plan.engine)));
        }
        let planned: BTreeSet<&str> = self.plan.agents.iter().map(|agent| agent.run.as_str()).collect();
        let runs: Vec<&Agent> = agents.collect();
        let found: BTreeSet<&str> = runs.iter().map(|agent| agent.graph.run.id.as_str()).collect();
        if let Some(run) = planned.symmetric_difference(&found).next() {
            return Err(self.stale(&format!("{run}: {}", Stale::Text.reason())));
        }
        match runs.into_iter().find(|agent| self.is_of_another_text(agent)) {
            None => Ok(()),
            Some(agent) => Err(self.stale(&format!("{}: {}", agent.graph.run.agent, Stale::Text.reason()))),
        }
    }

    /// Checks that a new plan has the same operations for the same reasons.
    ///
    /// # Errors
    /// If it differs, or the engine does not respond.
    pub async fn holds(&self, graph: &Graph, options: &Options, engine: &Docker) -> Result<(), CliError> {
        let pull = self.pulls(&graph.run);
        let registry = if pull { ask(engine, graph, WithoutQuery::Keep).await.digests } else { BTreeMap::new() };
        // The wait timeout is not part of the plan.
        let mut options = Options { wait_timeout: None, registry, ..options.clone() };
        let observed = observe_with(engine, graph, &options.registry).await?;
        let plan = proof::plan(engine, graph, &observed, &mut options).await;
        let now = SavedAgent::of(graph, &observed, &plan, pull);
        let held = self.of(&now.run).map_or(Err(Stale::Text), |then| then.holds(&now));
        held.map_err(|stale| self.stale(&format!("{}: {}", graph.run.agent, stale.reason())))
    }

    /// Returns whether the spec of an agent has changed. Unknown before approval if the build context counts.
    fn is_of_another_text(&self, agent: &Agent) -> bool {
        let then = self.of(agent.graph.run.id.as_str());
        let (Some(then), Some(resolved)) = (then, &agent.resolved) else { return false };
        !resolved.needs_build_context() && then.digests.text != resolved.proposal.digest()
    }

    fn stale(&self, why: &str) -> CliError {
        let file = self.file.display();
        let message = format!("the plan `{file}` is stale; nothing was changed: {why}");
        CliError::Refused { message, hint: format!("create and review a new one: `moat plan -o {file}`") }
    }
}

fn address(engine: &Docker) -> String {
    engine.located().endpoint.to_string()
}

/// Returns whether a text is a plan of any version.
fn is_plan(text: &str) -> bool {
    let value = serde_json::from_str::<serde_json::Value>(text);
    value.is_ok_and(|value| value.get("moat_plan").is_some())
}

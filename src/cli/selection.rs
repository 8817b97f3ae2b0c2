//! The agents that a command works on, concurrently, and their combined result.
//!
//! Prefixes and the summary are printed only for several agents.

use std::collections::BTreeSet;
use std::path::PathBuf;

use futures_util::future::join_all;

use crate::cli::approval::{self, ApprovalArgs};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::load::{self, Agent, Load};
use crate::cli::record::Record;
use crate::cli::session::{Form, Session};
use crate::cli::target::{self, Named};
use crate::cli::unapproved::Unapproved;
use crate::ui::Reporter;
use crate::ui::encode;
use crate::ui::render::plan::not_fetched;
use crate::ui::render::summary;
use crate::ui::terminal::prefix::labelled;
use moat_docker::Docker;
use moat_model::graph::Graph;
use moat_model::resource::Run;

/// The selected agents.
pub struct Selection<'a> {
    session: &'a Session,
    members: Vec<Member>,
}

struct Member {
    agent: Agent,
    /// The prefix of its lines, padded to a common width.
    label: String,
}

impl<'a> Selection<'a> {
    /// Finds the agents named by `specs`, as paths or as names of runs, and connects to the engine.
    ///
    /// With [`Load::Identity`], the spec of a named run may be missing.
    ///
    /// # Errors
    /// If a spec is invalid, the engine is unreachable, or a name is unknown.
    pub async fn find(session: &'a Session, specs: &[PathBuf], depth: Load) -> Result<(Self, Docker), CliError> {
        let (paths, mut names): (Vec<PathBuf>, Vec<PathBuf>) =
            specs.iter().cloned().partition(|spec| spec.to_str().is_none_or(target::is_path));
        let loaded = load::load(&paths, depth);
        session.say_skipped(&loaded.skipped);
        let mut agents = match loaded.agents {
            Err(faults) if depth == Load::Identity => applied(&paths, &mut names).ok_or(CliError::Load(faults))?,
            agents => agents.map_err(CliError::Load)?,
        };
        session.warn(&loaded.warnings);
        let engine = session.connect().await?;
        for name in names.iter().filter_map(|name| name.to_str()) {
            let sandbox = Named::Name(name.to_owned()).find_to(depth, &engine).await?;
            let (agent, spec) = (sandbox.run.agent.to_string(), sandbox.run.spec.clone());
            let given = PathBuf::from(&spec);
            let found = match sandbox.agent {
                Some(agent) => agent,
                None if depth == Load::Identity => Agent::known(Graph::empty(sandbox.run), given),
                None => return Err(CliError::NoSpec { agent, spec }),
            };
            if agents.iter().all(|agent| agent.graph.run.id != found.graph.run.id) {
                agents.push(found);
            }
        }
        Ok((Self::of(session, agents), engine))
    }

    pub fn of(session: &'a Session, agents: Vec<Agent>) -> Self {
        let labels = labels(&agents);
        let members = agents.into_iter().zip(labels).map(|(agent, label)| Member { agent, label }).collect();
        Self { session, members }
    }

    /// Checks the approvals and fetches the secrets.
    ///
    /// # Errors
    /// If any agent is not approved, or a secret cannot be fetched: then no agent must be changed.
    pub async fn pass(self, approving: &ApprovalArgs, engine: &Docker, record: &Record<'_>) -> Result<Self, CliError> {
        let session = self.session;
        let passed = Self::of(session, approving.pass(self.into_agents(), session, engine, record).await?);
        passed.remark();
        Ok(passed)
    }

    /// Prepares the agents for a read-only command: unapproved agents are marked and have no secrets.
    ///
    /// # Errors
    /// If the engine does not respond, or a secret cannot be fetched.
    pub async fn seen(self, engine: &Docker) -> Result<Self, CliError> {
        let session = self.session;
        let seen = Self::of(session, approval::seen(self.into_agents(), engine).await?);
        seen.remark();
        Ok(seen)
    }

    fn remark(&self) {
        for note in self.agents().filter_map(|agent| agent.note.as_deref()) {
            self.session.warning(&note.message, &note.hint);
        }
    }

    /// Warns about unapproved agents, whose output is incomplete.
    pub fn warn_of_unapproved(&self) {
        for agent in self.agents() {
            let missing = agent.unapproved.as_deref();
            if missing.is_none() && agent.withheld.is_empty() {
                continue;
            }
            let name = &agent.graph.run.agent;
            let message = missing.map_or_else(|| format!("`{name}` has not been applied yet"), Unapproved::message);
            let not_fetched = not_fetched(&agent.withheld);
            let hint = missing.map_or_else(|| "the first `moat apply` approves this spec".to_owned(), Unapproved::hint);
            self.session.warning((message + "\n" + &not_fetched).trim_end(), &hint);
        }
    }

    pub fn into_agents(self) -> Vec<Agent> {
        self.members.into_iter().map(|member| member.agent).collect()
    }

    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.members.iter().map(|member| &member.agent)
    }

    /// Runs `one` for all agents concurrently, each with its own reporter, and prints a summary.
    ///
    /// # Errors
    /// The error of a single agent. Errors of several agents are reported separately.
    pub async fn work(
        &self,
        one: impl AsyncFn(&Agent, Reporter<'_>) -> Result<Exit, CliError>,
    ) -> Result<Exit, CliError> {
        if let [only] = &self.members[..] {
            // Boxed to keep the future of the command small.
            let reporter = self.session.reporter(&only.agent.graph.run, None);
            let elapsed_timer = reporter.elapsed_timer();
            return Box::pin(elapsed_timer.beside(one(&only.agent, reporter))).await;
        }
        let exits = join_all(self.members.iter().map(async |member| {
            let done = Box::pin(one(&member.agent, self.reporter(member))).await;
            done.unwrap_or_else(|error| self.refuse(member, &error))
        }));
        let exits = exits.await;
        let exit = Exit::of_all(&exits);
        self.summary(&exits, exit)?;
        Ok(exit)
    }

    /// Runs `one` for all agents concurrently, and prints the results in the order of the agents.
    ///
    /// # Errors
    /// The error of a single agent, or a failure to write the output.
    pub async fn answer(
        &self,
        one: impl AsyncFn(&Agent) -> Result<(Exit, String), CliError>,
    ) -> Result<Exit, CliError> {
        if let [only] = &self.members[..] {
            let (exit, text) = one(&only.agent).await?;
            self.session.answer(&text)?;
            return Ok(exit);
        }
        let answers = join_all(self.members.iter().map(async |member| Answer {
            label: Some(member.label.clone()),
            context: None,
            run: &member.agent.graph.run,
            given: one(&member.agent).await,
        }));
        answered(self.session, answers.await)
    }

    fn reporter<'b>(&'b self, member: &'b Member) -> Reporter<'b> {
        self.session.reporter(&member.agent.graph.run, Some(member.label.clone()))
    }

    fn refuse(&self, member: &Member, error: &CliError) -> Exit {
        let exit = error.exit();
        error.shown(|problems| self.reporter(member).refuse(problems, exit.code()));
        if self.session.form == Form::Stream {
            // The stream has the error as an event; print it on standard error as well.
            self.session.alert(Some(&member.label), error);
        }
        exit
    }

    fn summary(&self, exits: &[Exit], exit: Exit) -> Result<(), CliError> {
        let ended = self.members.iter().zip(exits);
        if self.session.form == Form::Stream {
            let ended: Vec<_> = ended.map(|(member, exit)| (&member.agent.graph.run, exit.code())).collect();
            return self.session.answer(&self.session.stream().summary(&ended, exit.code()));
        }
        let ended: Vec<_> = ended.map(|(it, exit)| (it.label.trim(), exit.word(), *exit == Exit::Done)).collect();
        let screen = &self.session.screen;
        let text = summary::text(&ended, screen.colour());
        if exit == Exit::Done {
            screen.say(&text);
        } else {
            screen.alert(&text);
        }
        Ok(())
    }
}

/// The answer about one of several agents.
pub struct Answer<'a> {
    /// The prefix of its lines. `None`: it is the only one.
    pub label: Option<String>,
    /// The docker context, if the user named several.
    pub context: Option<&'a str>,
    pub run: &'a Run,
    pub given: Result<(Exit, String), CliError>,
}

/// Prints the answers in their order: lines with prefixes, or a JSON array.
///
/// # Errors
/// If the output cannot be written.
pub fn answered(session: &Session, answers: Vec<Answer<'_>>) -> Result<Exit, CliError> {
    let (mut exits, mut texts) = (Vec::new(), Vec::new());
    for Answer { label, context, run, given } in answers {
        let (exit, text) = match (given, session.form, &label) {
            (Ok((exit, text)), Form::Text, Some(label)) => (exit, labelled(label, &text)),
            (Ok(answer), _, _) => answer,
            (Err(error), Form::Text, _) => (session.alert(label.as_deref(), &error), String::new()),
            (Err(error), _, _) => (session.alert(label.as_deref(), &error), error.json(Some(run), context)),
        };
        exits.push(exit);
        texts.push(text);
    }
    session.answer(&if session.form == Form::Text { texts.concat() } else { encode::array(&texts) })?;
    Ok(Exit::of_all(&exits))
}

/// The agents of `paths`, some of which are invalid. For an invalid spec, adds the run that was applied from it to `names`.
/// `None`: an invalid spec has no such run.
fn applied(paths: &[PathBuf], names: &mut Vec<PathBuf>) -> Option<Vec<Agent>> {
    let mut agents = Vec::new();
    for path in paths {
        match load::load(std::slice::from_ref(path), Load::Identity).agents {
            Ok(these) => agents.extend(these),
            Err(faults) => names.push(PathBuf::from(target::applied_from(path, &faults)?)),
        }
    }
    Some(agents)
}

/// The agents' names, or their run ids if names are ambiguous; padded to a common width.
fn labels(agents: &[Agent]) -> Vec<String> {
    let names: BTreeSet<_> = agents.iter().map(|agent| &agent.graph.run.agent).collect();
    let distinct = names.len() == agents.len();
    let label = |agent: &Agent| {
        let run = &agent.graph.run;
        if distinct { run.agent.to_string() } else { run.id.to_string() }
    };
    let labels: Vec<String> = agents.iter().map(label).collect();
    let width = labels.iter().map(String::len).max().unwrap_or(0);
    labels.into_iter().map(|label| format!("{label:width$}")).collect()
}

//! Whether the spec of an agent may take effect: it is compared with what a person approved before anything of it is
//! fetched, executed, resolved or built.
//!
//! Asks where there is a terminal, and refuses where there is none. What a spec asks for is [`Proposal`]; how two of them
//! compare is decided there, and who could have written a spec in [`first`].
//!
//! [`Proposal`]: moat_spec::Proposal

mod first;
mod judge;

use std::sync::Arc;

use clap::Args;

use super::aside::aside;
use super::error::CliError;
use super::load::Agent;
use super::origin::{Origin, Secrets};
use super::record::{Consent, Record, own_files};
use super::session::Session;
use crate::local::approval::Approval;
use crate::ui::render::plan::Withheld;
use crate::ui::terminal::ask;
pub use judge::{Asks, Judge, Verdict};
use moat_docker::Docker;
use moat_model::graph::Graph;
use moat_model::resource::Run;
use moat_model::resource::label::Approved;

/// What a user says about approvals on the command line.
#[derive(Debug, Clone, Default, Args)]
pub struct Approving {
    /// Approve the spec with this digest, from `moat plan`
    #[arg(long = "approve", value_name = "DIGEST", value_parser = digest)]
    digests: Vec<String>,
    /// Approve everything the specs ask for
    #[arg(long)]
    approve_all: bool,
}

/// An agent whose spec has not been approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unapproved {
    pub agent: String,
    /// By which it can be approved.
    pub digest: String,
    /// Why it is asked about at all.
    pub reason: String,
    /// What it asks for, one line each.
    pub asks: Vec<String>,
}

/// In hexadecimal digits, of SHA-256. No part of one is enough: it could be hit by trial.
const DIGEST_LEN: usize = 64;

fn digest(text: &str) -> Result<String, String> {
    let is_one = text.len() == DIGEST_LEN && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_one {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("expected {DIGEST_LEN} hexadecimal digits, as printed by `moat plan`"))
    }
}

impl Approving {
    /// How an agent's proposal has been approved on the command line; `None`: it has not.
    fn of(&self, digest: &str) -> Option<&'static str> {
        if self.digests.iter().any(|it| it == digest) {
            Some("--approve")
        } else {
            self.approve_all.then_some("--approve-all")
        }
    }

    /// Takes the agents whose specs may take effect, with their secrets: all of them, or none.
    ///
    /// # Errors
    /// If one is not approved, or a secret cannot be had.
    pub async fn pass(
        &self,
        agents: Vec<Agent>,
        session: &Session,
        engine: &Docker,
        record: &Record<'_>,
    ) -> Result<Vec<Agent>, CliError> {
        let judge = Judge::new(engine);
        let mut judged = Vec::with_capacity(agents.len());
        for agent in agents {
            judged.push(judge.judge(agent).await?);
        }
        self.settle(&judged, session, record)?;
        let mut passed = Vec::with_capacity(judged.len());
        for (agent, verdict) in judged {
            let is_named = self.names(&agent, &verdict);
            passed.push(complete(agent, &verdict, is_named).await?);
        }
        Ok(passed)
    }

    /// As [`Approving::pass`], of one agent.
    ///
    /// # Errors
    /// As that.
    pub async fn pass_one(
        &self,
        agent: Agent,
        session: &Session,
        engine: &Docker,
        record: &Record<'_>,
    ) -> Result<Agent, CliError> {
        let judged = Judge::new(engine).judge(agent).await?;
        self.settle(std::slice::from_ref(&judged), session, record)?;
        let is_named = self.names(&judged.0, &judged.1);
        complete(judged.0, &judged.1, is_named).await
    }

    /// Whether a person has seen what the agent asks for, and not only started it.
    fn names(&self, agent: &Agent, verdict: &Verdict) -> bool {
        let digest = agent.origin.as_ref().map(|origin| origin.proposal.digest());
        matches!(verdict, Verdict::Asks(_)) || digest.is_some_and(|digest| self.of(&digest).is_some())
    }

    /// Writes down what is approved by the command line, or, if `asks`, by a person; fetches nothing.
    ///
    /// # Errors
    /// If `asks`, and one of the agents is not approved: then nothing is.
    pub async fn give(
        &self,
        agents: &[Agent],
        session: &Session,
        engine: &Docker,
        record: &Record<'_>,
        asks: bool,
    ) -> Result<(), CliError> {
        let judge = Judge::new(engine);
        let mut judged = Vec::with_capacity(agents.len());
        for agent in agents {
            let (agent, verdict) = judge.judge(agent.clone()).await?;
            let is_given = |asks: &Asks| self.of(&asks.of(&agent).digest).is_some();
            if asks || matches!(&verdict, Verdict::Asks(asks) if is_given(asks)) {
                judged.push((agent, verdict));
            }
        }
        self.settle(&judged, session, record)?;
        for (agent, verdict) in &judged {
            if let Some(origin) = &agent.origin {
                approve(&agent.graph.run, origin, matches!(verdict, Verdict::Asks(_)))?;
            }
        }
        Ok(())
    }

    /// Has everything approved that asks for it.
    fn settle(&self, judged: &[(Agent, Verdict)], session: &Session, record: &Record<'_>) -> Result<(), CliError> {
        let mut refused = Vec::new();
        for (agent, verdict) in judged {
            let Verdict::Asks(asks) = verdict else { continue };
            let asks = asks.of(agent);
            match self.of(&asks.digest).or_else(|| asked(session, &asks)) {
                Some(how) => record.consent(&agent.graph.run, &Consent::Give(&asks.asks), how)?,
                None => refused.push(asks),
            }
        }
        if refused.is_empty() { Ok(()) } else { Err(CliError::NotApproved(refused)) }
    }
}

/// Asks a person; how it was approved, or `None`: it was not.
fn asked(session: &Session, asks: &Unapproved) -> Option<&'static str> {
    ask::consent(&session.screen, &asks.message())?.then_some("asked")
}

/// The agents as far as they may be known: of one that is not approved, without its secrets.
///
/// # Errors
/// If a secret of one that is approved cannot be had.
pub async fn seen(agents: Vec<Agent>, engine: &Docker) -> Result<Vec<Agent>, CliError> {
    let mut seen = Vec::with_capacity(agents.len());
    for agent in agents {
        seen.push(seen_one(agent, engine).await?);
    }
    Ok(seen)
}

/// As [`seen`], of one agent.
///
/// # Errors
/// As that.
pub async fn seen_one(agent: Agent, engine: &Docker) -> Result<Agent, CliError> {
    let (mut agent, verdict) = Judge::new(engine).judge(agent).await?;
    agent.is_unseen = verdict != Verdict::Granted;
    let secrets = if agent.is_unseen { Secrets::Withhold } else { Secrets::Fetch };
    if let Verdict::Asks(asks) = &verdict {
        agent.unapproved = Some(Box::new(asks.of(&agent)));
    }
    if let (Secrets::Withhold, Some(origin)) = (secrets, &agent.origin) {
        let secrets = origin.proposal.secrets().map(|name| Withheld::Secret(name.to_owned()));
        let context = origin.unread_context().map(|folder| Withheld::Context(folder.display().to_string()));
        agent.withheld = secrets.chain(context).collect();
    }
    agent.graph = compiled(&agent, secrets).await?;
    Ok(agent)
}

/// Writes down that a spec is approved from now on, and fetches its secrets.
///
/// # Errors
/// If one of the two cannot be done.
pub async fn complete(mut agent: Agent, verdict: &Verdict, is_named: bool) -> Result<Agent, CliError> {
    let Some(origin) = agent.origin.clone() else { return Ok(agent) };
    let origin = match verdict {
        // Its folder is part of what has been approved just now, with what is in it.
        Verdict::Asks(_) if origin.needs_content() => with_content(&origin).await?,
        _ => origin,
    };
    // Where it cannot be written down, the labels of what is created still say it.
    if let Err(error) = approve(&agent.graph.run, &origin, is_named) {
        tracing::warn!("the approval is not kept: {error}");
    }
    agent.origin = Some(origin);
    agent.graph = compiled(&agent, Secrets::Fetch).await?;
    Ok(agent)
}

/// Approves what `origin` asks for. `is_named`: a person has seen it.
///
/// # Errors
/// If it cannot be written down.
pub fn approve(run: &Run, origin: &Origin, is_named: bool) -> Result<(), CliError> {
    let Some(approval) = place(run) else { return Ok(()) };
    let refuse = |source| CliError::Create { file: approval.path().display().to_string(), source };
    approval.give(&origin.proposal, is_named).map_err(refuse)
}

/// The graph with what is approved, or is going to be, in its labels.
async fn compiled(agent: &Agent, secrets: Secrets) -> Result<Graph, CliError> {
    let Some(origin) = agent.origin.clone() else { return Ok(agent.graph.clone()) };
    let named = place(&agent.graph.run).map(|approval| approval.named()).unwrap_or_default();
    let approved = Approved { named, ..origin.proposal.approved() };
    let whole = aside(move || origin.whole(secrets)).await;
    let mut graph = whole.map_err(|error| CliError::Load(vec![error]))?;
    graph.approved = Some(approved);
    Ok(graph)
}

async fn with_content(origin: &Origin) -> Result<Arc<Origin>, CliError> {
    let mut origin = origin.clone();
    let looked = aside(move || origin.look_at_content().map(|()| origin)).await;
    looked.map(Arc::new).map_err(|error| CliError::Load(vec![error]))
}

impl Unapproved {
    /// What a person is shown.
    pub fn message(&self) -> String {
        let list = self.asks.iter().fold(String::new(), |list, line| format!("{list}\n  + {line}"));
        format!("`{}` is not approved: {}{list}", self.agent, self.reason)
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        format!("to approve it: `moat apply --approve {}`", self.digest)
    }
}

/// Where the approval of a run is kept, if there is a place for it.
pub fn place(run: &Run) -> Option<Approval> {
    Some(Approval::of(&own_files()?, &run.id))
}

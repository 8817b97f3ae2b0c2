//! Approval of specs: a spec is compared with the approved one before anything of it is fetched, executed, resolved or
//! built.
//!
//! Asks on a terminal, and refuses without one. [`Proposal`] lists the privileges of a spec and compares them; [`first`]
//! detects specs that a sandbox could have written.
//!
//! [`Proposal`]: moat_spec::Proposal

mod check;
mod first;

use std::sync::Arc;

use clap::Args;

use super::blocking::run_blocking;
use super::error::CliError;
use super::load::Agent;
use super::record::{Confirmation, Record};
use super::resolved_spec::{ResolvedSpec, Secrets};
use super::session::Session;
use super::state_directory::state_directory;
use super::unapproved::Unapproved;
use crate::local::approval::Approval;
use crate::ui::render::plan::Withheld;
use crate::ui::terminal::ask;
pub use check::{ApprovalCheck, Asks, Verdict};
use moat_docker::Docker;
use moat_model::graph::Graph;
use moat_model::resource::Run;
use moat_model::resource::label::Approved;

/// The approval options of the command line.
#[derive(Debug, Clone, Default, Args)]
pub struct ApprovalArgs {
    /// Approve the spec with this digest, from `moat plan`
    #[arg(long = "approve", value_name = "DIGEST", value_parser = digest)]
    digests: Vec<String>,
    /// Approve everything the specs ask for
    #[arg(long)]
    approve_all: bool,
}

/// The length of a SHA-256 digest in hexadecimal digits. A prefix is not accepted, since it could be found by trial.
const DIGEST_LEN: usize = 64;

fn digest(text: &str) -> Result<String, String> {
    let is_one = text.len() == DIGEST_LEN && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_one {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("expected {DIGEST_LEN} hexadecimal digits, as printed by `moat plan`"))
    }
}

impl ApprovalArgs {
    /// The option that approves a proposal. `None`: not approved on the command line.
    fn of(&self, digest: &str) -> Option<&'static str> {
        if self.digests.iter().any(|it| it == digest) {
            Some("--approve")
        } else {
            self.approve_all.then_some("--approve-all")
        }
    }

    /// Checks that all agents are approved and fetches their secrets.
    ///
    /// # Errors
    /// If one agent is not approved, or a secret cannot be fetched.
    pub async fn pass(
        &self,
        agents: Vec<Agent>,
        session: &Session,
        engine: &Docker,
        record: &Record<'_>,
    ) -> Result<Vec<Agent>, CliError> {
        let check = ApprovalCheck::new(engine);
        let mut checked = Vec::with_capacity(agents.len());
        for agent in agents {
            checked.push(check.check(agent).await?);
        }
        self.settle(&checked, session, record)?;
        let mut passed = Vec::with_capacity(checked.len());
        for (agent, verdict) in checked {
            let is_named = self.names(&agent, &verdict);
            passed.push(complete(agent, &verdict, is_named).await?);
        }
        Ok(passed)
    }

    /// Checks one agent, see [`ApprovalArgs::pass`].
    ///
    /// # Errors
    /// See [`ApprovalArgs::pass`].
    pub async fn pass_one(
        &self,
        agent: Agent,
        session: &Session,
        engine: &Docker,
        record: &Record<'_>,
    ) -> Result<Agent, CliError> {
        let checked = ApprovalCheck::new(engine).check(agent).await?;
        self.settle(std::slice::from_ref(&checked), session, record)?;
        let is_named = self.names(&checked.0, &checked.1);
        complete(checked.0, &checked.1, is_named).await
    }

    /// Returns whether the user has approved the proposal explicitly, not by a first apply.
    fn names(&self, agent: &Agent, verdict: &Verdict) -> bool {
        let digest = agent.resolved.as_ref().map(|resolved| resolved.proposal.digest());
        matches!(verdict, Verdict::Asks(_)) || digest.is_some_and(|digest| self.of(&digest).is_some())
    }

    /// Stores the approvals given on the command line or, if `asks`, at the prompt. Fetches nothing.
    ///
    /// # Errors
    /// If `asks` and one of the agents is not approved: then no approval is stored.
    pub async fn give(
        &self,
        agents: &[Agent],
        session: &Session,
        engine: &Docker,
        record: &Record<'_>,
        asks: bool,
    ) -> Result<(), CliError> {
        let check = ApprovalCheck::new(engine);
        let mut checked = Vec::with_capacity(agents.len());
        for agent in agents {
            let (agent, verdict) = check.check(agent.clone()).await?;
            let is_given = |asks: &Asks| self.of(&asks.of(&agent).digest).is_some();
            if asks || matches!(&verdict, Verdict::Asks(asks) if is_given(asks)) {
                checked.push((agent, verdict));
            }
        }
        self.settle(&checked, session, record)?;
        for (agent, verdict) in &checked {
            if let Some(resolved) = &agent.resolved {
                approve(&agent.graph.run, resolved, matches!(verdict, Verdict::Asks(_)))?;
            }
        }
        Ok(())
    }

    /// Obtains the missing approvals.
    fn settle(&self, checked: &[(Agent, Verdict)], session: &Session, record: &Record<'_>) -> Result<(), CliError> {
        let mut refused = Vec::new();
        for (agent, verdict) in checked {
            let Verdict::Asks(asks) = verdict else { continue };
            let asks = asks.of(agent);
            match self.of(&asks.digest).or_else(|| asked(session, &asks)) {
                Some(how) => record.consent(&agent.graph.run, &Confirmation::Give(&asks.asks), how)?,
                None => refused.push(asks),
            }
        }
        if refused.is_empty() { Ok(()) } else { Err(CliError::NotApproved(refused)) }
    }
}

/// Asks the user. Returns how the proposal was approved, or `None` if it was not.
fn asked(session: &Session, asks: &Unapproved) -> Option<&'static str> {
    ask::consent(&session.screen, &asks.message())?.then_some("asked")
}

/// Prepares agents for a read-only command: unapproved ones without secrets.
///
/// # Errors
/// If a secret of an approved agent cannot be fetched.
pub async fn seen(agents: Vec<Agent>, engine: &Docker) -> Result<Vec<Agent>, CliError> {
    let mut seen = Vec::with_capacity(agents.len());
    for agent in agents {
        seen.push(seen_one(agent, engine).await?);
    }
    Ok(seen)
}

/// Prepares one agent, see [`seen`].
///
/// # Errors
/// See [`seen`].
pub async fn seen_one(agent: Agent, engine: &Docker) -> Result<Agent, CliError> {
    let (mut agent, verdict) = ApprovalCheck::new(engine).check(agent).await?;
    agent.is_unseen = verdict != Verdict::Granted;
    let secrets = if agent.is_unseen { Secrets::Withhold } else { Secrets::Fetch };
    if let Verdict::Asks(asks) = &verdict {
        agent.unapproved = Some(Box::new(asks.of(&agent)));
    }
    if let (Secrets::Withhold, Some(resolved)) = (secrets, &agent.resolved) {
        let secrets = resolved.proposal.secrets().map(|name| Withheld::Secret(name.to_owned()));
        let context = resolved.unread_context().map(|folder| Withheld::Context(folder.display().to_string()));
        agent.withheld = secrets.chain(context).collect();
    }
    agent.graph = compiled(&agent, secrets).await?;
    Ok(agent)
}

/// Stores the approval of a spec and fetches its secrets.
///
/// # Errors
/// If the build context or a secret cannot be read.
pub async fn complete(mut agent: Agent, verdict: &Verdict, is_named: bool) -> Result<Agent, CliError> {
    let Some(resolved) = agent.resolved.clone() else { return Ok(agent) };
    let resolved = match verdict {
        // The approval just given covers the build context.
        Verdict::Asks(_) if resolved.needs_build_context() => with_content(&resolved).await?,
        _ => resolved,
    };
    // If this fails, the labels of created containers still have the approval.
    if let Err(error) = approve(&agent.graph.run, &resolved, is_named) {
        tracing::warn!("the approval is not kept: {error}");
    }
    agent.resolved = Some(resolved);
    agent.graph = compiled(&agent, Secrets::Fetch).await?;
    Ok(agent)
}

/// Stores the approval of `resolved`. `is_named`: approved explicitly by the user.
///
/// # Errors
/// If the file cannot be written.
pub fn approve(run: &Run, resolved: &ResolvedSpec, is_named: bool) -> Result<(), CliError> {
    let Some(approval) = place(run) else { return Ok(()) };
    let refuse = |source| CliError::Create { file: approval.path().display().to_string(), source };
    approval.give(&resolved.proposal, is_named).map_err(refuse)
}

/// Compiles the graph with the approval in its labels.
async fn compiled(agent: &Agent, secrets: Secrets) -> Result<Graph, CliError> {
    let Some(resolved) = agent.resolved.clone() else { return Ok(agent.graph.clone()) };
    let named = place(&agent.graph.run).map(|approval| approval.named()).unwrap_or_default();
    let approved = Approved { named, ..resolved.proposal.approved() };
    let whole = run_blocking(move || resolved.compile_with_secrets(secrets)).await;
    let mut graph = whole.map_err(|error| CliError::Load(vec![error]))?;
    graph.approved = Some(approved);
    Ok(graph)
}

async fn with_content(resolved: &ResolvedSpec) -> Result<Arc<ResolvedSpec>, CliError> {
    let mut resolved = resolved.clone();
    let looked = run_blocking(move || resolved.read_build_context().map(|()| resolved)).await;
    looked.map(Arc::new).map_err(|error| CliError::Load(vec![error]))
}

/// The stored approval of a run. `None`: there is no state directory.
pub fn place(run: &Run) -> Option<Approval> {
    Some(Approval::of(&state_directory()?, &run.id))
}

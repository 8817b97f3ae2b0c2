//! Compares the proposal of a spec with the stored approval, or with the labels of existing containers.
//!
//! Fetches nothing and does not prompt.

use std::path::PathBuf;
use std::sync::Arc;

use super::{first, with_content};
use crate::cli::error::CliError;
use crate::cli::host_facts::host;
use crate::cli::load::{Agent, Note};
use crate::cli::resolved_spec::ResolvedSpec;
use crate::cli::state_directory::state_directory;
use crate::cli::unapproved::Unapproved;
use crate::local::approval::Approval;
use moat_docker::Docker;
use moat_model::engine::{Engine, Filter};
use moat_model::resource::Run;
use moat_model::resource::label::Ownership;
use moat_spec::Proposal;
use moat_spec::proposal::{Change, widening};

/// Compares proposals with the approvals known on one engine.
pub struct ApprovalCheck<'a> {
    engine: &'a Docker,
    dir: Option<PathBuf>,
}

/// The verdict on a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Approved, or narrower than the approval.
    Granted,
    /// The first proposal of a run, not written by a sandbox: the first apply approves it.
    First,
    Asks(Asks),
}

/// The changes that need an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks {
    reason: String,
    changes: Vec<Change>,
}

/// The known approvals of a run.
#[derive(Default)]
struct Known {
    texts: Vec<Proposal>,
    digests: Vec<String>,
}

/// The prefix of keys about the build.
const BUILD: &str = "build.";

impl<'a> ApprovalCheck<'a> {
    pub fn new(engine: &'a Docker) -> Self {
        Self { engine, dir: state_directory() }
    }

    /// Checks an agent, after choosing its isolation, and reads its build context if that is allowed.
    ///
    /// # Errors
    /// If the engine does not respond or cannot carry the isolation, or the build context cannot be read.
    pub async fn check(&self, mut agent: Agent) -> Result<(Agent, Verdict), CliError> {
        let Some(mut resolved) = agent.resolved.clone() else { return Ok((agent, Verdict::Granted)) };
        if resolved.needs_host() {
            let mut settled = (*resolved).clone();
            settled.settle(&host(self.engine).await?).map_err(|error| CliError::Load(vec![error]))?;
            resolved = Arc::new(settled);
            agent.resolved = Some(Arc::clone(&resolved));
        }
        let run = agent.graph.run.clone();
        let (mut verdict, note) = self.of(&run, &resolved).await?;
        agent.note = note.map(Box::new);
        let may_look = match &verdict {
            Verdict::Granted | Verdict::First => true,
            Verdict::Asks(asks) => asks.changes.iter().all(|change| !change.key.starts_with(BUILD)),
        };
        if may_look && resolved.needs_build_context() {
            let before = resolved.proposal.digest();
            resolved = with_content(&resolved).await?;
            if resolved.proposal.digest() != before {
                (verdict, _) = self.of(&run, &resolved).await?;
            }
            agent.resolved = Some(Arc::clone(&resolved));
        }
        Ok((agent, verdict))
    }

    async fn of(&self, run: &Run, resolved: &ResolvedSpec) -> Result<(Verdict, Option<Note>), CliError> {
        let proposal = &resolved.proposal;
        // Without changes no engine call is made.
        let mut known = self.kept(run);
        let mut asked = known.changes(proposal);
        if asked.as_ref().is_none_or(|changes| !changes.is_empty()) {
            known.append(self.labelled(run).await?);
            asked = known.changes(proposal);
        }
        match asked {
            Some(changes) if changes.is_empty() => Ok((Verdict::Granted, None)),
            Some(changes) => {
                let reason = "it asks for more than was approved".to_owned();
                Ok((Verdict::Asks(Asks { reason, changes }), None))
            }
            None => self.first(run, resolved).await,
        }
    }

    /// The verdict on a run without approvals: a spec that a sandbox could have written needs one.
    async fn first(&self, run: &Run, resolved: &ResolvedSpec) -> Result<(Verdict, Option<Note>), CliError> {
        let kept = self.dir.as_deref().map(crate::local::approval::writable).unwrap_or_default();
        let others = self.engine.containers(&Filter::Ours).await?;
        let labelled = others.iter().filter_map(|facts| facts.owner.as_ref()).flat_map(first::writable);
        let writable: Vec<(String, PathBuf)> = kept.into_iter().chain(labelled).collect();
        let verdict = match first::author(&resolved.files(), &writable) {
            None => Verdict::First,
            Some(author) => {
                let changes = widening(&Proposal::default(), &resolved.proposal);
                Verdict::Asks(Asks { reason: author.to_string(), changes })
            }
        };
        Ok((verdict, first::moved(run, others.iter().filter_map(|facts| facts.owner.as_ref()))))
    }

    fn kept(&self, run: &Run) -> Known {
        let approval = self.dir.as_deref().and_then(|dir| Approval::of(dir, &run.id).read());
        Known { texts: approval.into_iter().collect(), digests: Vec::new() }
    }

    /// The approvals in the labels of the run's containers.
    async fn labelled(&self, run: &Run) -> Result<Known, CliError> {
        let containers = self.engine.containers(&Filter::Run(run.id.clone())).await?;
        let owners: Vec<&Ownership> = containers.iter().filter_map(|facts| facts.owner.as_ref()).collect();
        let texts = owners.iter().filter_map(|owner| Proposal::parse(owner.approved_text.as_deref()?));
        let digests = owners.iter().filter_map(|owner| owner.approved.clone());
        Ok(Known { texts: texts.collect(), digests: digests.collect() })
    }
}

impl Known {
    fn append(&mut self, other: Self) {
        self.texts.extend(other.texts);
        self.digests.extend(other.digests);
    }

    /// The changes of a proposal relative to the closest approval. `None`: there is no approval.
    fn changes(&self, proposal: &Proposal) -> Option<Vec<Change>> {
        if self.digests.contains(&proposal.digest()) {
            return Some(Vec::new());
        }
        self.texts.iter().map(|approved| widening(approved, proposal)).min_by_key(Vec::len)
    }
}

impl Asks {
    /// The changes as they are displayed.
    pub fn of(&self, agent: &Agent) -> Unapproved {
        let proposal = agent.resolved.as_ref().map(|resolved| resolved.proposal.clone()).unwrap_or_default();
        Unapproved {
            agent: agent.graph.run.agent.to_string(),
            digest: proposal.digest(),
            reason: self.reason.clone(),
            asks: self.changes.iter().map(ToString::to_string).collect(),
        }
    }
}

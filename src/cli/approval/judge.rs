//! What a spec asks for, against what is known to be approved: by the state directory, or else by the labels of what was
//! created.
//!
//! Fetches nothing and asks nobody.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Unapproved, first, with_content};
use crate::cli::error::CliError;
use crate::cli::load::{Agent, Note};
use crate::cli::origin::Origin;
use crate::cli::record::own_files;
use crate::local::approval::Approval;
use moat_docker::Docker;
use moat_model::engine::{Engine, Filter};
use moat_model::resource::Run;
use moat_model::resource::label::Ownership;
use moat_spec::Proposal;
use moat_spec::proposal::{Change, widening};

/// Compares proposals on one engine.
pub struct Judge<'a> {
    engine: &'a Docker,
    dir: Option<PathBuf>,
}

/// Whether a proposal may take effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is approved, or only narrows what is.
    Granted,
    /// It comes first, and from no sandbox: the first apply approves it.
    First,
    Asks(Asks),
}

/// What has to be approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks {
    reason: String,
    changes: Vec<Change>,
}

/// What is known to be approved of a run.
#[derive(Default)]
struct Known {
    texts: Vec<Proposal>,
    digests: Vec<String>,
}

/// The keys of what is built, and from what, begin so.
const BUILD: &str = "build.";

impl<'a> Judge<'a> {
    pub fn new(engine: &'a Docker) -> Self {
        Self { engine, dir: own_files() }
    }

    /// The agent, with what its image is built from, if that folder may be looked at.
    ///
    /// # Errors
    /// If the engine does not answer, or the folder cannot be read.
    pub async fn judge(&self, mut agent: Agent) -> Result<(Agent, Verdict), CliError> {
        let Some(mut origin) = agent.origin.clone() else { return Ok((agent, Verdict::Granted)) };
        let run = agent.graph.run.clone();
        let (mut verdict, note) = self.of(&run, &origin).await?;
        agent.note = note.map(Box::new);
        let may_look = match &verdict {
            Verdict::Granted | Verdict::First => true,
            Verdict::Asks(asks) => asks.changes.iter().all(|change| !change.key.starts_with(BUILD)),
        };
        if may_look && origin.needs_content() {
            let before = origin.proposal.digest();
            origin = with_content(&origin).await?;
            if origin.proposal.digest() != before {
                (verdict, _) = self.of(&run, &origin).await?;
            }
            agent.origin = Some(Arc::clone(&origin));
        }
        Ok((agent, verdict))
    }

    async fn of(&self, run: &Run, origin: &Origin) -> Result<(Verdict, Option<Note>), CliError> {
        let proposal = &origin.proposal;
        // In the steady state the engine is not asked.
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
            None => self.first(run, origin).await,
        }
    }

    /// Nothing of the run is known: nobody else may have written the spec.
    async fn first(&self, run: &Run, origin: &Origin) -> Result<(Verdict, Option<Note>), CliError> {
        let kept = self.dir.as_deref().map(crate::local::approval::writable).unwrap_or_default();
        let others = self.engine.containers(&Filter::Ours).await?;
        let labelled = others.iter().filter_map(|facts| facts.owner.as_ref()).flat_map(first::writable);
        let writable: Vec<(String, PathBuf)> = kept.into_iter().chain(labelled).collect();
        let verdict = match first::author(&origin.files(), &writable) {
            None => Verdict::First,
            Some(author) => {
                let changes = widening(&Proposal::default(), &origin.proposal);
                Verdict::Asks(Asks { reason: author.to_string(), changes })
            }
        };
        Ok((verdict, first::moved(run, others.iter().filter_map(|facts| facts.owner.as_ref()))))
    }

    fn kept(&self, run: &Run) -> Known {
        let approval = self.dir.as_deref().and_then(|dir| Approval::of(dir, &run.id).read());
        Known { texts: approval.into_iter().collect(), digests: Vec::new() }
    }

    /// What was approved when the containers were created, by whoever did that.
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

    /// What a proposal asks for beyond what is closest to it of what was approved; `None`: nothing is known to compare it
    /// with.
    fn changes(&self, proposal: &Proposal) -> Option<Vec<Change>> {
        if self.digests.contains(&proposal.digest()) {
            return Some(Vec::new());
        }
        self.texts.iter().map(|approved| widening(approved, proposal)).min_by_key(Vec::len)
    }
}

impl Asks {
    /// As a person is shown it.
    pub fn of(&self, agent: &Agent) -> Unapproved {
        let proposal = agent.origin.as_ref().map(|origin| origin.proposal.clone()).unwrap_or_default();
        Unapproved {
            agent: agent.graph.run.agent.to_string(),
            digest: proposal.digest(),
            reason: self.reason.clone(),
            asks: self.changes.iter().map(ToString::to_string).collect(),
        }
    }
}

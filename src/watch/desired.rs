//! The desired state of an agent: that of the last valid and approved spec.
//!
//! It stays whatever happens to the file. Whether a spec is approved is known when it is read; nothing is
//! compared here, and the observed state is unknown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::fingerprint::Fingerprint;
use super::host::{Host, Read};
use super::reading::{Answer, Query};
use super::{Settings, Watched};
use moat_model::graph::Graph;
use moat_model::resource::{Config, ResourceId, Run};
use moat_plan::Volumes;
use moat_plan::event::{Event, Trigger};

pub(super) struct DesiredSpec {
    run: Run,
    spec: PathBuf,
    /// The files of the spec, with their fingerprint.
    inputs: Vec<PathBuf>,
    fingerprint: Fingerprint,
    /// `None` if no spec has been approved yet; then nothing is done.
    desired: Option<Graph>,
    /// The requests of the spec beyond the approved ones.
    held: Vec<String>,
    /// Why the current spec is not in effect.
    problem: Option<String>,
    /// The spec file was removed, and its sandbox should be too.
    removes: bool,
}

/// The result of reading the spec again.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The desired state has changed.
    pub take_unreported: bool,
    /// The change has been reported.
    pub is_reported: bool,
    /// The changed resources.
    pub changed: Vec<ResourceId>,
}

/// The problem of a missing spec.
const GONE: &str = "the spec file no longer exists";

impl DesiredSpec {
    pub fn new(watched: Watched) -> Self {
        let Watched { run, spec, inputs, fingerprint, desired } = watched;
        Self { run, spec, inputs, fingerprint, desired, held: Vec::new(), problem: None, removes: false }
    }

    /// The goal of the next round; `None` if there is none.
    pub fn graph(&self) -> Option<Graph> {
        if self.removes { Some(Graph::empty(self.run.clone())) } else { self.desired.clone() }
    }

    pub fn resources(&self) -> Vec<ResourceId> {
        self.desired.iter().flat_map(Graph::nodes).map(|node| node.id.clone()).collect()
    }

    /// Which volumes may be removed: none, unless the whole run is.
    pub fn volumes(&self) -> Volumes {
        if !self.removes {
            return Volumes::Keep;
        }
        let retentions = self.desired.iter().flat_map(Graph::nodes).filter_map(|node| match &node.config {
            Config::Volume(volume) => Some((node.id.clone(), volume.retention)),
            _ => None,
        });
        Volumes::Scratch(retentions.collect::<BTreeMap<_, _>>())
    }

    /// What a person calls a file of the spec: relative to its folder.
    pub fn shown(&self, file: &Path) -> String {
        // The spec itself comes first among its files; as it was named it may be relative.
        let folder = self.inputs.first().and_then(|spec| spec.parent());
        let rest = folder.and_then(|folder| file.strip_prefix(folder).ok());
        rest.unwrap_or(file).display().to_string()
    }

    pub fn held(&self) -> &[String] {
        &self.held
    }

    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Whether a round would have no goal.
    pub fn is_unknown(&self) -> bool {
        self.desired.is_none() && !self.removes
    }

    /// The request to read the spec. `is_asked`: even if its files are unchanged.
    pub fn query(&self, agent: usize, is_asked: bool) -> Query {
        Query {
            agent,
            run: self.run.clone(),
            spec: self.spec.clone(),
            inputs: self.inputs.clone(),
            fingerprint: self.fingerprint.clone(),
            anyway: is_asked,
        }
    }

    /// Applies the result of reading the spec.
    pub fn found<D: Host>(&mut self, answer: Answer, trigger: &Trigger, host: &D, settings: &Settings) -> Reading {
        let Answer { agent, inputs, fingerprint, changed: _, spec } = answer;
        (self.inputs, self.fingerprint) = (inputs, fingerprint);
        match spec {
            None => Reading::default(),
            Some(Read::Gone) => {
                self.removes = settings.prune;
                if self.problem.as_deref() != Some(GONE) {
                    host.report(Some(agent), Event::SpecGone { run: &self.run });
                }
                self.problem = Some(GONE.to_owned());
                Reading { take_unreported: settings.prune, ..Reading::default() }
            }
            Some(Read::Bad(problem)) => self.reject(agent, problem, host),
            Some(Read::Another(run)) => {
                let problem = self.is_another(&run);
                self.reject(agent, problem, host)
            }
            Some(Read::Held(more)) => self.hold(agent, more, host),
            Some(Read::Good(graph)) => self.take(agent, *graph, trigger, host),
        }
    }

    /// A run is identified by its agent and the canonical path of its file.
    fn is_another(&self, run: &Run) -> String {
        let what = if run.agent == self.run.agent {
            format!("the spec is now the file `{}`", run.spec)
        } else {
            format!("the agent's name is now `{}`", run.agent)
        };
        format!("{what}, which identifies another sandbox: start another watch for it")
    }

    fn reject<D: Host>(&mut self, agent: usize, problem: String, host: &D) -> Reading {
        if self.problem.as_ref() != Some(&problem) {
            host.report(Some(agent), Event::Rejected { run: &self.run, problem: &problem });
        }
        self.problem = Some(problem);
        Reading::default()
    }

    /// The spec requests more than was approved: the desired state stays unchanged.
    fn hold<D: Host>(&mut self, agent: usize, more: Vec<String>, host: &D) -> Reading {
        let back = std::mem::take(&mut self.removes);
        self.problem = None;
        if self.held != more {
            host.report(Some(agent), Event::Held { run: &self.run, more: &more });
            self.held = more;
        }
        Reading { take_unreported: back, ..Reading::default() }
    }

    fn take<D: Host>(&mut self, agent: usize, graph: Graph, trigger: &Trigger, host: &D) -> Reading {
        let back = std::mem::take(&mut self.removes);
        let was_held = !std::mem::take(&mut self.held).is_empty();
        let was_bad = self.problem.take().is_some();
        let before = self.desired.replace(graph);
        let after = self.desired.as_ref();
        let is_same = before.as_ref().map(Graph::digest) == after.map(Graph::digest);
        // A mounted file may have been replaced, though the spec is unchanged.
        let is_replaced = before.as_ref().map(|graph| &graph.files) != after.map(|graph| &graph.files);
        // The first reading is the initial state.
        let is_reported = (!is_same && before.is_some()) || was_bad || was_held;
        if is_reported {
            host.report(Some(agent), Event::Reloaded { run: &self.run, trigger });
        }
        if is_same {
            return Reading { take_unreported: back || is_replaced, is_reported, changed: Vec::new() };
        }
        let config = |graph: Option<&Graph>, id: &ResourceId| {
            graph.and_then(|graph| graph.node(id)).map(|node| node.config.canonical())
        };
        let is_other = |id: &ResourceId| config(before.as_ref(), id) != config(after, id);
        let changed = self.resources().into_iter().filter(is_other).collect();
        Reading { take_unreported: true, is_reported, changed }
    }
}

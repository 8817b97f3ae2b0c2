//! The desired state of an agent: that of the last spec which was good and approved.
//!
//! Whatever happens to the file, the desired state stays. Whether a spec is approved is known when it is read; nothing is
//! compared here, and nothing is known of how things are.

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
    /// The files that the spec is made of, and what was in them.
    inputs: Vec<PathBuf>,
    fingerprint: Fingerprint,
    /// `None`: no spec has been approved yet, and nothing is done.
    desired: Option<Graph>,
    /// What the spec asks for beyond what was approved.
    held: Vec<String>,
    /// Why the spec as it is now does not count.
    problem: Option<String>,
    /// The spec is gone, and so should be what it stood for.
    removes: bool,
}

/// What came of reading the spec again.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The desired state is another one.
    pub is_news: bool,
    /// That was told.
    pub is_told: bool,
    /// The resources that differ.
    pub changed: Vec<ResourceId>,
}

/// The problem of a spec that is not there.
const GONE: &str = "the spec file is gone";

impl DesiredSpec {
    pub fn new(watched: Watched) -> Self {
        let Watched { run, spec, inputs, fingerprint, desired } = watched;
        Self { run, spec, inputs, fingerprint, desired, held: Vec::new(), problem: None, removes: false }
    }

    /// What the next round is to bring about; `None`: nothing that it could be.
    pub fn graph(&self) -> Option<Graph> {
        if self.removes { Some(Graph::empty(self.run.clone())) } else { self.desired.clone() }
    }

    pub fn resources(&self) -> Vec<ResourceId> {
        self.desired.iter().flat_map(Graph::nodes).map(|node| node.id.clone()).collect()
    }

    /// Which volumes may go: none, unless the whole run goes.
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

    /// Whether there is nothing that a round could bring about.
    pub fn is_unknown(&self) -> bool {
        self.desired.is_none() && !self.removes
    }

    /// What is to be found out about the spec. `is_asked`: even if its files are as they were.
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

    /// Takes in what the spec is now.
    pub fn found<D: Host>(&mut self, answer: Answer, trigger: &Trigger, desk: &D, settings: &Settings) -> Reading {
        let Answer { agent, inputs, fingerprint, changed: _, spec } = answer;
        (self.inputs, self.fingerprint) = (inputs, fingerprint);
        match spec {
            None => Reading::default(),
            Some(Read::Gone) => {
                self.removes = settings.prune;
                if self.problem.as_deref() != Some(GONE) {
                    desk.tell(Some(agent), Event::SpecGone { run: &self.run });
                }
                self.problem = Some(GONE.to_owned());
                Reading { is_news: settings.prune, ..Reading::default() }
            }
            Some(Read::Bad(problem)) => self.reject(agent, problem, desk),
            Some(Read::Another(run)) => {
                let problem = self.is_another(&run);
                self.reject(agent, problem, desk)
            }
            Some(Read::Held(more)) => self.hold(agent, more, desk),
            Some(Read::Good(graph)) => self.take(agent, *graph, trigger, desk),
        }
    }

    /// A run is an agent of a file, by the file's real path.
    fn is_another(&self, run: &Run) -> String {
        let what = if run.agent == self.run.agent {
            format!("the spec is now the file `{}`", run.spec)
        } else {
            format!("the agent's name is now `{}`", run.agent)
        };
        format!("{what}, which means another sandbox: begin another watch for that")
    }

    fn reject<D: Host>(&mut self, agent: usize, problem: String, desk: &D) -> Reading {
        if self.problem.as_ref() != Some(&problem) {
            desk.tell(Some(agent), Event::Rejected { run: &self.run, problem: &problem });
        }
        self.problem = Some(problem);
        Reading::default()
    }

    /// The spec asks for more than was approved: what is desired stays as it was.
    fn hold<D: Host>(&mut self, agent: usize, more: Vec<String>, desk: &D) -> Reading {
        let back = std::mem::take(&mut self.removes);
        self.problem = None;
        if self.held != more {
            desk.tell(Some(agent), Event::Held { run: &self.run, more: &more });
            self.held = more;
        }
        Reading { is_news: back, ..Reading::default() }
    }

    fn take<D: Host>(&mut self, agent: usize, graph: Graph, trigger: &Trigger, desk: &D) -> Reading {
        let back = std::mem::take(&mut self.removes);
        let was_held = !std::mem::take(&mut self.held).is_empty();
        let was_bad = self.problem.take().is_some();
        let before = self.desired.replace(graph);
        let after = self.desired.as_ref();
        let is_same = before.as_ref().map(Graph::digest) == after.map(Graph::digest);
        // A file that is mounted may be another one, though the spec is the same.
        let is_replaced = before.as_ref().map(|graph| &graph.files) != after.map(|graph| &graph.files);
        // What is read first is what the watch begins with.
        let is_told = (!is_same && before.is_some()) || was_bad || was_held;
        if is_told {
            desk.tell(Some(agent), Event::Reloaded { run: &self.run, trigger });
        }
        if is_same {
            return Reading { is_news: back || is_replaced, is_told, changed: Vec::new() };
        }
        let config = |graph: Option<&Graph>, id: &ResourceId| {
            graph.and_then(|graph| graph.node(id)).map(|node| node.config.canonical())
        };
        let is_other = |id: &ResourceId| config(before.as_ref(), id) != config(after, id);
        let changed = self.resources().into_iter().filter(is_other).collect();
        Reading { is_news: true, is_told, changed }
    }
}

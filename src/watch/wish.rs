//! What is wanted of an agent: the last good spec that needed no approval, or had it.
//!
//! Whatever happens to the file, something is wanted at all times. Knows nothing of how things are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::desk::{Desk, Read};
use super::reading::{Answer, Query};
use super::{Settings, Watched, consent};
use crate::event::Event;
use crate::graph::Graph;
use crate::plan::Volumes;
use crate::resource::{Config, ResourceId};

pub(super) struct Wish {
    spec: PathBuf,
    /// The files that the spec is made of, and what was in them.
    inputs: Vec<PathBuf>,
    fingerprint: String,
    desired: Graph,
    /// A round has begun to bring it about: from here on, more than this needs an approval.
    begun: bool,
    /// What the spec asks for besides, and nobody has approved.
    held: Vec<String>,
    /// Why the spec as it is now is not what is wanted.
    problem: Option<String>,
    /// The spec is gone, and so should be what it stood for.
    removes: bool,
}

/// What came of reading the spec again.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Something else is wanted now.
    pub is_news: bool,
    /// The resources that are wanted otherwise.
    pub changed: Vec<ResourceId>,
}

/// What is told of a spec that is not there.
const GONE: &str = "the spec file is gone";

impl Wish {
    pub fn new(watched: Watched) -> Self {
        Self {
            spec: watched.spec,
            inputs: watched.inputs,
            fingerprint: watched.fingerprint,
            desired: watched.graph,
            begun: false,
            held: Vec::new(),
            problem: None,
            removes: false,
        }
    }

    pub fn graph(&self) -> Graph {
        if self.removes { Graph::empty(self.desired.run.clone()) } else { self.desired.clone() }
    }

    pub fn resources(&self) -> Vec<ResourceId> {
        self.desired.nodes().map(|node| node.id.clone()).collect()
    }

    /// Which volumes may go: none, unless the whole run goes.
    pub fn volumes(&self) -> Volumes {
        if !self.removes {
            return Volumes::Keep;
        }
        let retentions = self.desired.nodes().filter_map(|node| match &node.config {
            Config::Volume(volume) => Some((node.id.clone(), volume.retention)),
            _ => None,
        });
        Volumes::Scratch(retentions.collect::<BTreeMap<_, _>>())
    }

    /// Whether what is on the engine has a say in how much may be given without an approval.
    pub fn asks<D: Desk>(&self, desk: &D, settings: &Settings) -> bool {
        !self.begun && !settings.allow && !self.removes && !is_approved(&self.desired, desk)
    }

    /// What is wanted has been begun.
    pub fn begun<D: Desk>(&mut self, desk: &D) {
        if !std::mem::replace(&mut self.begun, true) {
            self.held.clear();
            if is_approved(&self.desired, desk) {
                desk.forget_approval(&self.desired.run);
            }
        }
    }

    /// What is wanted is more than was last applied.
    pub fn hold<D: Desk>(&mut self, agent: usize, more: Vec<String>, desk: &D) {
        if self.held != more {
            desk.tell(Some(agent), Event::Held { run: &self.desired.run, more: &more });
            self.held = more;
        }
    }

    pub fn held(&self) -> &[String] {
        &self.held
    }

    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// What is to be found out about the spec. `is_asked`: even if its files are as they were.
    pub fn query<D: Desk>(&self, agent: usize, desk: &D, is_asked: bool) -> Query {
        let is_approved = !self.held.is_empty() && desk.approved(&self.desired.run).is_some();
        Query {
            agent,
            run: self.desired.run.clone(),
            spec: self.spec.clone(),
            inputs: self.inputs.clone(),
            fingerprint: self.fingerprint.clone(),
            anyway: is_asked || is_approved,
        }
    }

    /// Takes in what the spec is now.
    pub fn found<D: Desk>(&mut self, answer: Answer, desk: &D, settings: &Settings) -> Reading {
        let Answer { agent, inputs, fingerprint, spec } = answer;
        (self.inputs, self.fingerprint) = (inputs, fingerprint);
        match spec {
            None => Reading::default(),
            Some(Read::Gone) => {
                self.removes = settings.prune;
                if self.problem.as_deref() != Some(GONE) {
                    desk.tell(Some(agent), Event::SpecGone { run: &self.desired.run });
                }
                self.problem = Some(GONE.to_owned());
                Reading { is_news: settings.prune, changed: Vec::new() }
            }
            Some(Read::Bad(problem)) => self.reject(agent, problem, desk),
            Some(Read::Good(graph)) if graph.run.id != self.desired.run.id => {
                let problem = self.is_another(&graph);
                self.reject(agent, problem, desk)
            }
            Some(Read::Good(graph)) => self.take(agent, *graph, desk, settings),
        }
    }

    /// A run is an agent of a file, by the file's real path.
    fn is_another(&self, graph: &Graph) -> String {
        let what = if graph.run.agent == self.desired.run.agent {
            format!("the spec is now the file `{}`", graph.run.spec)
        } else {
            format!("the agent's name is now `{}`", graph.run.agent)
        };
        format!("{what}, which means another sandbox: begin another watch for that")
    }

    fn reject<D: Desk>(&mut self, agent: usize, problem: String, desk: &D) -> Reading {
        if self.problem.as_ref() != Some(&problem) {
            desk.tell(Some(agent), Event::Rejected { run: &self.desired.run, problem: &problem });
        }
        self.problem = Some(problem);
        Reading::default()
    }

    fn take<D: Desk>(&mut self, agent: usize, graph: Graph, desk: &D, settings: &Settings) -> Reading {
        let back = std::mem::take(&mut self.removes);
        let run = self.desired.run.clone();
        let was_bad = self.problem.take().is_some();
        if graph.digest() == self.desired.digest() {
            if was_bad || (self.begun && !self.held.is_empty()) {
                desk.tell(Some(agent), Event::Reloaded { run: &run });
            }
            let is_let_through = !self.begun && is_approved(&graph, desk);
            if self.begun {
                self.held.clear();
            }
            return Reading { is_news: back || is_let_through, changed: Vec::new() };
        }
        // Before anything was begun the first round measures it against what is on the engine.
        let more = if self.begun { consent::more(&self.desired, &graph) } else { Vec::new() };
        if !more.is_empty() && !settings.allow {
            if !is_approved(&graph, desk) {
                self.hold(agent, more, desk);
                return Reading { is_news: back, changed: Vec::new() };
            }
            desk.forget_approval(&run);
        }
        desk.tell(Some(agent), Event::Reloaded { run: &run });
        let is_other = |id: &ResourceId| {
            let [before, after] = [&self.desired, &graph].map(|it| it.node(id).map(|node| node.config.canonical()));
            before != after
        };
        let changed = graph.nodes().map(|node| node.id.clone()).filter(is_other).collect();
        self.held.clear();
        self.desired = graph;
        Reading { is_news: true, changed }
    }
}

fn is_approved<D: Desk>(graph: &Graph, desk: &D) -> bool {
    desk.approved(&graph.run).is_some_and(|digest| digest == graph.digest())
}

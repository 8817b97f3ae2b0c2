//! Graphs of resources and their dependencies, or of the steps of a plan.
//!
//! A [`Picture`] is rendered as text, DOT, Mermaid or SVG. Other modules compute its content.

pub mod dot;
mod layers;
pub mod mermaid;
pub mod svg;
pub mod text;

use serde::Serialize;

use crate::ui::encode;
use moat_model::graph::{Gate, Graph, Milestone};
use moat_model::resource::{Kind, ResourceId, Role, Run};
use moat_plan::{Plan, Presence, Status};

/// A graph to render.
#[derive(Debug, Clone, Serialize)]
pub struct Picture {
    pub title: String,
    /// Dependencies come before their dependents.
    pub nodes: Vec<Vertex>,
    pub edges: Vec<Arrow>,
    /// The nodes are steps, for which dependencies are transitive.
    #[serde(skip)]
    pub steps: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vertex {
    /// For example `container/main`, or the number of a step.
    pub id: String,
    pub shape: Shape,
    /// A short description.
    pub label: String,
    /// The name on the engine.
    pub name: String,
    /// The state of a resource or the cause of a step; empty if unknown.
    pub note: String,
    pub tone: Tone,
}

/// A dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrow {
    /// The index of the dependency among the nodes.
    pub from: usize,
    /// The index of the dependent node.
    pub to: usize,
    /// The condition, for example `ready, then start`; empty if the dependency only has to exist.
    pub label: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    Image,
    Network,
    Volume,
    Container,
    /// The main container, in which the agent works.
    Main,
}

/// The colour class of a node. It only repeats what the note says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    Plain,
    Good,
    Care,
    Bad,
}

impl Picture {
    /// Returns the graph of a sandbox's resources, with their state if `status` is given.
    pub fn of_resources(graph: &Graph, status: Option<&Status>) -> Self {
        let ordered = graph.in_order();
        let mut nodes = Vec::with_capacity(ordered.len());
        for node in &ordered {
            let standing = status.and_then(|it| it.resources.iter().find(|it| it.resource == node.id));
            let (note, tone) = standing.map_or((String::new(), Tone::Plain), |it| {
                let state = it.presence.as_str();
                match (&it.cause, it.ready, it.presence) {
                    (_, true, Presence::Container(_)) => (format!("{state}, ready"), Tone::Good),
                    (_, true, _) => (state.to_owned(), Tone::Good),
                    (_, false, Presence::Missing) | (None, false, _) => (state.to_owned(), Tone::Care),
                    (Some(cause), false, _) => (format!("{state}: {}", cause.code()), Tone::Bad),
                }
            });
            let label = if node.id.kind == Kind::Image { "image".to_owned() } else { node.id.to_string() };
            let name = graph.run.name_of(&node.id);
            let shape = Shape::of(node.id.kind, node.role);
            nodes.push(Vertex { id: node.id.to_string(), shape, label, name, note, tone });
        }
        let place = |id: &ResourceId| ordered.iter().position(|node| node.id == *id).unwrap_or_default();
        let mut edges = Vec::new();
        for node in &ordered {
            for it in graph.dependencies(&node.id) {
                let label = waits(it.edge.until, it.edge.gates);
                edges.push(Arrow { from: place(it.on), to: place(&node.id), label });
            }
        }
        let state = status.map_or(String::new(), |it| format!(": {}", it.condition.as_str()));
        Self { title: format!("{}{state}", graph.run.agent), nodes, edges, steps: false }
    }

    /// Returns the graph of a plan's steps.
    pub fn of_plan(run: &Run, plan: &Plan) -> Self {
        let nodes = plan.operations.iter().map(|it| Vertex {
            id: it.id.to_string(),
            shape: Shape::of(it.resource.kind, if it.resource.name == "main" { Role::Main } else { Role::Sidecar }),
            label: format!("{}. {} {}", it.id, it.action.verb(), it.resource.kind),
            name: it.name.clone(),
            note: [Some(it.cause.code().to_owned()), it.mark()].into_iter().flatten().collect::<Vec<_>>().join(", "),
            tone: if it.mark().is_some() { Tone::Care } else { Tone::Plain },
        });
        let arrows = plan
            .operations
            .iter()
            .flat_map(|it| it.after.iter().map(|on| Arrow { from: on.0, to: it.id.0, label: String::new() }));
        let todo = match plan.operations.len() {
            0 => "nothing to do".to_owned(),
            count => format!("{count} to do"),
        };
        Self { title: format!("{}: {todo}", run.agent), nodes: nodes.collect(), edges: arrows.collect(), steps: true }
    }
}

impl Shape {
    fn of(kind: Kind, role: Role) -> Self {
        match (kind, role) {
            (Kind::Image, _) => Self::Image,
            (Kind::Network, _) => Self::Network,
            (Kind::Volume | Kind::Policy | Kind::Grant, _) => Self::Volume,
            (Kind::Container, Role::Main) => Self::Main,
            (Kind::Container, _) => Self::Container,
        }
    }
}

/// Returns the label of a dependency; empty if the dependency only has to exist.
fn waits(until: Milestone, gates: Gate) -> String {
    match (until, gates) {
        (Milestone::Created, _) => String::new(),
        (Milestone::Started, Gate::Create) => "started, then create".to_owned(),
        (Milestone::Started, Gate::Start) => "started, then start".to_owned(),
        (Milestone::Started, Gate::Prove) => "started, then ready".to_owned(),
        (Milestone::Ready, Gate::Create) => "ready, then create".to_owned(),
        (Milestone::Ready, Gate::Start) => "ready, then start".to_owned(),
        (Milestone::Ready, Gate::Prove) => "both ready".to_owned(),
    }
}

/// Returns the JSON document, which ends with a line feed.
pub fn json(picture: &Picture) -> String {
    encode::json(picture)
}

//! JSON documents of commands whose normal output is plain text.

use serde::Serialize;

use crate::ui::encode;
use moat_model::graph::Graph;
use moat_model::resource::{AgentName, ImageRef, Run};
use moat_spec::Explained;

#[derive(Serialize)]
struct Script<'a> {
    shell: &'a str,
    script: &'a str,
}

#[derive(Serialize)]
struct Page<'a> {
    /// `None` for moat itself.
    command: Option<&'a str>,
    page: &'a str,
}

#[derive(Serialize)]
struct ImageDocument<'a> {
    run: &'a str,
    agent: &'a str,
    /// `None` if the spec names an image and none is built.
    image: Option<&'a ImageRef>,
    dockerfile: Option<&'a str>,
}

#[derive(Serialize)]
struct Written<'a> {
    file: &'a str,
    agent: &'a str,
    /// `None` if the sandbox has its own Docker.
    image: Option<&'a str>,
}

/// The result of `moat approve` for one run.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    run: &'a str,
    agent: &'a str,
    /// Whether a pending request existed, which is approved now.
    approved: bool,
    asked_for: Vec<String>,
}

#[derive(Serialize)]
struct Keys<'a> {
    keys: &'a [Explained],
}

impl<'a> Answer<'a> {
    pub fn of(run: &'a Run, asked_for: Vec<String>) -> Self {
        Self { run: run.id.as_str(), agent: run.agent.as_str(), approved: !asked_for.is_empty(), asked_for }
    }
}

/// Returns the document of a completion script. Like all documents here, it ends with a line feed.
pub fn completions(shell: &str, script: &str) -> String {
    encode::json(&Script { shell, script })
}

pub fn page(command: Option<&str>, page: &str) -> String {
    encode::json(&Page { command, page })
}

/// `made` is the name of the built image and its Dockerfile.
pub fn image(graph: &Graph, made: Option<(&ImageRef, &str)>) -> String {
    let (run, agent) = (graph.run.id.as_str(), graph.run.agent.as_str());
    let (image, dockerfile) = made.unzip();
    encode::json(&ImageDocument { run, agent, image, dockerfile })
}

pub fn written(file: &str, agent: &AgentName, image: Option<&str>) -> String {
    encode::json(&Written { file, agent: agent.as_str(), image })
}

pub fn approved(all: &[Answer<'_>]) -> String {
    encode::json(&all)
}

pub fn keys(keys: &[Explained]) -> String {
    encode::json(&Keys { keys })
}

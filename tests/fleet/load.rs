//! A folder with the specs of several agents.

use std::env;
use std::fs;

use serde_json::Value;
use testkit::sandbox::Sandbox;

/// Agents whose names start with that of a sandbox, which removes their resources on drop.
pub struct Load {
    pub sandbox: Sandbox,
    pub agents: Vec<String>,
}

/// The folder of the specs, below the sandbox's folder.
pub const FOLDER: &str = "load";

impl Load {
    /// `spec` is the text of each spec without its name.
    pub fn new(count: usize, spec: &str) -> Self {
        let sandbox = Sandbox::new(spec);
        fs::create_dir(sandbox.path().join(FOLDER)).expect("a folder");
        let agents = (0..count).map(|i| format!("{}-{i:03}", sandbox.agent)).collect();
        let load = Self { sandbox, agents };
        for agent in &load.agents {
            load.rewrite(agent, &format!("agent: {agent}\n{spec}"));
        }
        load
    }

    /// The path of an agent's spec, relative to the sandbox's folder.
    pub fn spec(agent: &str) -> String {
        format!("{FOLDER}/{agent}.yaml")
    }

    pub fn rewrite(&self, agent: &str, text: &str) {
        fs::write(self.sandbox.path().join(Self::spec(agent)), text).expect("a spec");
    }

    /// The states of all agents.
    pub fn states(&self) -> Vec<(String, String)> {
        let ran = self.sandbox.moat(&["status", "--json", FOLDER]).ok();
        let documents: Vec<Value> = serde_json::from_str(&ran.stdout).expect("an array");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        documents.iter().map(|it| (text(&it["agent"]), text(&it["state"]))).collect()
    }

    pub fn assert_all(&self, state: &str) {
        let expected: Vec<_> = self.agents.iter().map(|agent| (agent.clone(), state.to_owned())).collect();
        assert_eq!(self.states(), expected);
    }
}

/// A count that the environment can raise.
pub fn count(variable: &str, usual: usize) -> usize {
    env::var(variable).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

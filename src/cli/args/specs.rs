//! Which sandboxes a command is about, where it takes several: files and directories, names and ids of runs.
//!
//! What each of them stands for is found by `load` and `fleet`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::ArgPredicate;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::commands::completions::agents;
use crate::cli::nearest;

#[derive(Debug, Clone, Args)]
pub struct Specs {
    /// Spec files, or directories: their `agent.yaml`, or all of their YAML files; or names of agents, or ids of runs
    #[arg(value_name = "AGENT", default_value = nearest::spec(), add = ArgValueCandidates::new(agents))]
    #[arg(default_value_if("files", ArgPredicate::IsPresent, None))]
    agents: Vec<PathBuf>,
    /// A spec file, as AGENT; may be given several times
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Specs {
    /// All of them, in the order of the command line as far as it is known.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().chain(&self.agents).cloned().collect()
    }
}

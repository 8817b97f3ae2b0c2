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
    /// Agent names, run ids, spec files or directories of specs
    #[arg(value_name = "AGENT", default_value = nearest::spec(), add = ArgValueCandidates::new(agents))]
    #[arg(default_value_if("files", ArgPredicate::IsPresent, None))]
    agents: Vec<PathBuf>,
    /// Spec file, same as AGENT (repeatable)
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Specs {
    /// All of them, in the order of the command line as far as it is known.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().chain(&self.agents).cloned().collect()
    }
}

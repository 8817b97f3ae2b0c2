//! The sandboxes of a command that takes several: files, directories, agent names and run ids.
//!
//! They are resolved by `load` and `selection`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::ArgPredicate;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::candidates::agents;
use crate::cli::default_spec;

#[derive(Debug, Clone, Args)]
pub struct Specs {
    /// Agent names, run ids, spec files or directories of specs
    #[arg(value_name = "AGENT", default_value = default_spec::path(), add = ArgValueCandidates::new(agents))]
    #[arg(default_value_if("files", ArgPredicate::IsPresent, None))]
    agents: Vec<PathBuf>,
    /// Spec file, same as AGENT (repeatable)
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Specs {
    /// All arguments; those of `--file` first, since clap does not keep their relative order.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().chain(&self.agents).cloned().collect()
    }
}

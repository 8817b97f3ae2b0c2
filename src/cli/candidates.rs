//! Candidates for shell completion of arguments.

use std::path::Path;

use clap_complete::engine::CompletionCandidate;

use crate::cli::default_spec;
use crate::cli::state_directory::state_directory;
use crate::history::RunRecord;
use crate::history::read::records;

/// Completes a sandbox: the default spec, and the agents that moat has a record of. Docker is not queried, since a
/// completion must not wait for it.
pub fn agents() -> Vec<CompletionCandidate> {
    let mut found: Vec<CompletionCandidate> = Vec::new();
    if Path::new(default_spec::path()).is_file() {
        found.push(CompletionCandidate::new(default_spec::path()).help(Some("the default spec".into())));
    }
    for record in present() {
        found.push(
            CompletionCandidate::new(&record.name).help(Some(format!("{} ({})", record.state, record.spec).into())),
        );
    }
    found
}

/// Completes a container: the names of the containers of all recorded sandboxes.
pub fn containers() -> Vec<CompletionCandidate> {
    let resources = present().into_iter().flat_map(|record| record.resources);
    let names = resources.filter_map(|it| it.resource.strip_prefix("container/").map(str::to_owned));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// The records of the sandboxes that exist, one for each agent.
fn present() -> Vec<RunRecord> {
    let Some(dir) = state_directory() else { return Vec::new() };
    let (mut records, _) = records(&dir);
    records.retain(|record| record.state != "absent");
    records.sort_by(|a, b| a.name.cmp(&b.name));
    records.dedup_by(|a, b| a.name == b.name);
    records
}

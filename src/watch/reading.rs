//! Reads a spec in parallel to the rest of a watch: it may take as long as a program that provides a secret.
//!
//! Makes no decisions: [`super::desired`] evaluates the result.

use std::path::{Path, PathBuf};

use super::fingerprint::Fingerprint;
use super::host::{Host, Loaded, Read};
use moat_model::resource::Run;

/// How often a spec is read until it names the same files twice. Faster changes cause another wakeup anyway.
const READINGS: u32 = 3;

/// The spec to read, and the previous result.
pub(super) struct Query {
    pub agent: usize,
    pub run: Run,
    pub spec: PathBuf,
    pub inputs: Vec<PathBuf>,
    pub fingerprint: Fingerprint,
    /// Read even if its files are unchanged.
    pub anyway: bool,
}

/// The current spec.
pub(super) struct Answer {
    pub agent: usize,
    pub inputs: Vec<PathBuf>,
    pub fingerprint: Fingerprint,
    /// The file that is different; `None`: none is, or nothing was known of it.
    pub changed: Option<PathBuf>,
    /// `None` if its files are unchanged.
    pub spec: Option<Read>,
}

/// Reads the spec if its files have changed, and again if its list of files has changed: of new files,
/// no change was reported yet.
pub(super) async fn read<D: Host>(host: &D, query: Query) -> Answer {
    let Query { agent, run, spec, mut inputs, fingerprint: known, anyway } = query;
    let mut fingerprint = followed(agent, &inputs, host).await;
    if fingerprint == known && !anyway {
        return Answer { agent, inputs, fingerprint, changed: None, spec: None };
    }
    let changed = known.difference(&fingerprint).map(Path::to_owned);
    let mut readings = 0;
    loop {
        let loaded: Loaded = host.load(&spec, &run).await;
        let is_same = loaded.inputs == inputs;
        if !is_same {
            inputs = loaded.inputs;
            fingerprint = followed(agent, &inputs, host).await;
        }
        readings += 1;
        if is_same || readings == READINGS {
            return Answer { agent, inputs, fingerprint, changed, spec: Some(loaded.spec) };
        }
    }
}

/// The fingerprint of the files; changes are reported from before it is taken.
async fn followed<D: Host>(agent: usize, inputs: &[PathBuf], host: &D) -> Fingerprint {
    host.follow(agent, inputs);
    host.fingerprint(agent, inputs).await
}

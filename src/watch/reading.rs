//! Reading a spec again, beside all else that a watch does: it may take as long as a program that gives a secret.
//!
//! Finds out what is there, and decides nothing: what it is worth is the business of [`super::desired`].

use std::path::{Path, PathBuf};

use super::fingerprint::Fingerprint;
use super::host::{Host, Loaded, Read};
use moat_model::resource::Run;

/// How often a spec is read until it names the same files twice. Whoever changes them faster than that is heard anyway.
const READINGS: u32 = 3;

/// What is to be read, and what was known of it.
pub(super) struct Query {
    pub agent: usize,
    pub run: Run,
    pub spec: PathBuf,
    pub inputs: Vec<PathBuf>,
    pub fingerprint: Fingerprint,
    /// Even if its files are as they were.
    pub anyway: bool,
}

/// What is there now.
pub(super) struct Answer {
    pub agent: usize,
    pub inputs: Vec<PathBuf>,
    pub fingerprint: Fingerprint,
    /// The file that is different; `None`: none is, or nothing was known of it.
    pub changed: Option<PathBuf>,
    /// `None`: its files are as they were.
    pub spec: Option<Read>,
}

/// Reads the spec if its files are others than they were, and again if it turns out to be made of other files: of those
/// nothing was told yet.
pub(super) async fn read<D: Host>(desk: &D, query: Query) -> Answer {
    let Query { agent, run, spec, mut inputs, fingerprint: known, anyway } = query;
    let mut fingerprint = followed(agent, &inputs, desk).await;
    if fingerprint == known && !anyway {
        return Answer { agent, inputs, fingerprint, changed: None, spec: None };
    }
    let changed = known.difference(&fingerprint).map(Path::to_owned);
    let mut readings = 0;
    loop {
        let loaded: Loaded = desk.load(&spec, &run).await;
        let is_same = loaded.inputs == inputs;
        if !is_same {
            inputs = loaded.inputs;
            fingerprint = followed(agent, &inputs, desk).await;
        }
        readings += 1;
        if is_same || readings == READINGS {
            return Answer { agent, inputs, fingerprint, changed, spec: Some(loaded.spec) };
        }
    }
}

/// What is in the files now; from before it was looked at on, changes are told.
async fn followed<D: Host>(agent: usize, inputs: &[PathBuf], desk: &D) -> Fingerprint {
    desk.follow(agent, inputs);
    desk.fingerprint(agent, inputs).await
}

//! The size of a build cache.

use serde::Serialize;

use crate::ui::encode;
use crate::ui::terminal::style::bytes;
use moat_model::resource::Run;

/// A build cache. Sizes are in bytes; `None` if the builder does not report them.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub run: &'a Run,
    /// The volume of the cache.
    pub volume: &'a str,
    pub before: Option<u64>,
    pub now: Option<u64>,
    pub pruned: bool,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    volume: &'a str,
    cache_bytes: Option<u64>,
    freed_bytes: Option<u64>,
}

impl View<'_> {
    /// Ends with a line feed.
    pub fn text(&self) -> String {
        let size = self.now.map_or_else(|| "unknown: the builder does not answer".to_owned(), bytes);
        let freed = match self.freed() {
            Some(freed) => format!(", {} freed", bytes(freed)),
            None => String::new(),
        };
        format!("{size} in volume {}{freed}\n", self.volume)
    }

    /// Ends with a line feed.
    pub fn json(&self) -> String {
        let (run, agent) = (self.run.id.as_str(), self.run.agent.as_str());
        let (volume, cache_bytes, freed_bytes) = (self.volume, self.now, self.freed());
        encode::json(&Document { run, agent, volume, cache_bytes, freed_bytes })
    }

    fn freed(&self) -> Option<u64> {
        self.pruned.then(|| Some(self.before?.saturating_sub(self.now?))).flatten()
    }
}

//! The engine of a round, whose changes the host records.

use crate::audit::engine::Audited;
use moat_model::engine::Engine;
use moat_plan::event::Event;

/// An engine that records its changes.
pub trait RecordedEngine: Engine {
    /// Notes an event of the round before it is reported: a plan announces its changes.
    fn note(&self, event: &Event<'_>);
}

impl<E: Engine> RecordedEngine for Audited<'_, E> {
    fn note(&self, event: &Event<'_>) {
        Audited::note(self, event);
    }
}

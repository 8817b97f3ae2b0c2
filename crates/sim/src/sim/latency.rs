//! Latencies of calls, in virtual time.

use std::time::Duration;

use moat_model::engine::call::Call;

/// Half of it passes before a call takes effect, half before its answer arrives: a caller
/// dropped in between leaves a call that took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latencies {
    /// Lists, lookups, commands.
    pub look: Duration,
    /// Changing calls not listed below.
    pub change: Duration,
    pub create_container: Duration,
    pub remove_container: Duration,
    pub start: Duration,
    pub pull: Duration,
}

impl Default for Latencies {
    /// Proportions of a small machine, so that calls overlap as they do there.
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            look: ms(2),
            change: ms(6),
            create_container: ms(20),
            remove_container: ms(30),
            start: ms(40),
            pull: ms(500),
        }
    }
}

impl Latencies {
    /// No latency.
    pub fn none() -> Self {
        let zero = Duration::ZERO;
        Self { look: zero, change: zero, create_container: zero, remove_container: zero, start: zero, pull: zero }
    }

    pub(super) fn of(&self, call: Call) -> Duration {
        match call {
            Call::Pull | Call::Build => self.pull,
            Call::CreateContainer => self.create_container,
            Call::RemoveContainer => self.remove_container,
            Call::Start => self.start,
            call if call.changes() => self.change,
            _ => self.look,
        }
    }
}

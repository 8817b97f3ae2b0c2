//! Debouncing: an agent's step is due shortly after the last of several triggers, and never long after the first.

use std::time::Duration;

use tokio::time::Instant;

use super::wakeups::Wakeup;
use moat_plan::event::Trigger;

/// Editors write a file in several steps, and `git checkout` writes many files; this is longer than the gaps.
pub const FILES_QUIET: Duration = Duration::from_millis(100);
/// A folder with continuous writes must not delay a change forever.
pub const FILES_BOUND: Duration = Duration::from_secs(1);
/// An engine reports a kill with three or four events within a few milliseconds. After the first one alone, a killed
/// container would be reported as disconnected, and another round would follow.
pub const ENGINE_QUIET: Duration = Duration::from_millis(5);
pub const ENGINE_BOUND: Duration = Duration::from_millis(100);

/// The triggers of the next step.
#[derive(Debug, Default)]
pub(super) struct Debounce {
    asked: Option<Asked>,
}

#[derive(Debug, Clone)]
struct Asked {
    wakeup: Wakeup,
    at: Instant,
    bound: Instant,
}

impl Debounce {
    pub fn ask(&mut self, wakeup: Wakeup, now: Instant) {
        let (quiet, bound) = match wakeup.trigger {
            Trigger::File(_) => (FILES_QUIET, FILES_BOUND),
            Trigger::Engine { .. } | Trigger::SessionOver => (ENGINE_QUIET, ENGINE_BOUND),
            _ => (Duration::ZERO, Duration::ZERO),
        };
        self.asked = Some(match self.asked.take() {
            None => Asked { wakeup, at: now + quiet, bound: now + bound },
            Some(mut before) => {
                // Files have to be stable before they are read, however urgent other triggers are.
                let bound = if wakeup.reads && !before.wakeup.reads { now + bound } else { before.bound };
                before.wakeup.join(&wakeup);
                Asked { wakeup: before.wakeup, at: (now + quiet).max(before.at).min(bound), bound }
            }
        });
    }

    /// The time when the step is due.
    pub fn due(&self) -> Option<Instant> {
        self.asked.as_ref().map(|asked| asked.at)
    }

    /// The triggers that are due now.
    pub fn take(&mut self, now: Instant) -> Option<Wakeup> {
        self.asked.take_if(|asked| asked.at <= now).map(|asked| asked.wakeup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Wakeup {
        Wakeup::of(Trigger::File("agent.yaml".to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_step_after_its_end() {
        let (mut debounce, start) = (Debounce::default(), Instant::now());
        for ms in [0, 30, 60, 90] {
            debounce.ask(file(), start + Duration::from_millis(ms));
        }
        let due = start + Duration::from_millis(90) + FILES_QUIET;
        assert_eq!(debounce.due(), Some(due));
        assert_eq!(debounce.take(due - Duration::from_millis(1)), None);
        assert_eq!(debounce.take(due), Some(file()));
        assert_eq!(debounce.due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_burst_is_bounded() {
        let (mut debounce, start) = (Debounce::default(), Instant::now());
        for ms in (0..5_000).step_by(50) {
            debounce.ask(file(), start + Duration::from_millis(ms));
        }
        assert_eq!(debounce.due(), Some(start + FILES_BOUND));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_trigger_is_reported_and_files_are_kept() {
        let (mut debounce, start) = (Debounce::default(), Instant::now());
        debounce.ask(Wakeup::of(Trigger::Reconnected), start);
        debounce.ask(file(), start);
        assert_eq!(debounce.due(), Some(start + FILES_QUIET));
        let taken = debounce.take(start + FILES_QUIET);
        assert_eq!(taken, Some(Wakeup { reads: true, ..Wakeup::of(Trigger::Reconnected) }));
    }
}

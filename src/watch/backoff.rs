//! Backoff of a resource: each repair and each failure doubles the pause, a stable period resets it.
//!
//! Independent of engines: the caller reports events and times.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use moat_model::engine::Fault;
use moat_model::resource::ResourceId;
use moat_plan::event::{Code, Failure};

/// The pause after a first repair; it only matters if another repair is needed at once.
pub const FIRST: Duration = Duration::from_secs(1);
/// The maximum pause: that of Kubernetes for crash-looping containers, which users know.
pub const LONGEST: Duration = Duration::from_secs(5 * 60);
/// A resource that was stable for this long, and for twice its last pause, is reset.
pub const STABLE: Duration = Duration::from_secs(60);
/// This many repairs without a stable period are a loop, and are reported.
pub const LOOPING: u32 = 3;
/// The same failure this often, over about a quarter of an hour, is permanent.
pub const SAME_MAX: u32 = 10;

#[derive(Debug, Default)]
pub(super) struct Backoff {
    entries: BTreeMap<ResourceId, Entry>,
}

#[derive(Debug)]
struct Entry {
    count: u32,
    last: Instant,
    until: Until,
    failure: Option<Failure>,
    /// The number of consecutive equal failures.
    same: u32,
    /// The count that was last reported.
    reported: u32,
    /// It has not been retried since.
    waits: bool,
}

/// How long a resource is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Time(Instant),
    /// A change of the spec or a manual request.
    Change,
}

impl Backoff {
    /// Records a repair; returns the number of repairs without a stable period, and the pause.
    pub fn repaired(&mut self, resource: &ResourceId, now: Instant) -> (u32, Duration) {
        let entry = self.hit(resource, now);
        entry.failure = None;
        entry.same = 0;
        (entry.count, pause(entry.count))
    }

    /// Records a failed operation; returns the pause. `interrupts`: each try ends a working container.
    pub fn failed(&mut self, failure: &Failure, interrupts: bool, now: Instant) -> Until {
        let entry = self.hit(&failure.resource, now);
        let is_same = entry.failure.as_ref().is_some_and(|last| same(last, failure));
        entry.same = if is_same { entry.same + 1 } else { 1 };
        entry.failure = Some(failure.clone());
        // A build of the same files fails in the same way. A container that exited will do so again, and is not
        // worth another interruption.
        let is_final = failure.code == Code::BuildFailed || (interrupts && failure.fault.is_none());
        if is_final || (entry.same >= SAME_MAX && !passes(failure)) {
            entry.until = Until::Change;
        }
        entry.until
    }

    /// The number of repairs and failures without a stable period, and the end of the pause.
    pub fn of(&self, resource: &ResourceId) -> Option<(u32, Until)> {
        self.entries.get(resource).map(|entry| (entry.count, entry.until))
    }

    /// Whether its pause has not been reported yet; marks it as reported.
    pub fn take_unreported(&mut self, resource: &ResourceId) -> bool {
        self.entries
            .get_mut(resource)
            .is_some_and(|entry| std::mem::replace(&mut entry.reported, entry.count) != entry.count)
    }

    /// The resources that a round starting now excludes. All others are retried in it.
    pub fn left(&mut self, now: Instant) -> BTreeSet<ResourceId> {
        for entry in self.entries.values_mut() {
            entry.waits &= entry.until.is_after(now);
        }
        let is_left = |entry: &Entry| entry.until.is_after(now);
        self.entries.iter().filter(|(_, entry)| is_left(entry)).map(|(resource, _)| resource.clone()).collect()
    }

    /// The earliest end of a pause. It may be in the past: a pause may end during a round that
    /// started before and excludes the resource.
    pub fn next(&self) -> Option<Instant> {
        let times = self.entries.values().filter(|entry| entry.waits).filter_map(|entry| match entry.until {
            Until::Time(until) => Some(until),
            Until::Change => None,
        });
        times.min()
    }

    /// Resets a resource after a change or a manual request.
    pub fn forget(&mut self, resource: &ResourceId) {
        self.entries.remove(resource);
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    fn hit(&mut self, resource: &ResourceId, now: Instant) -> &mut Entry {
        let fresh =
            Entry { count: 0, last: now, until: Until::Time(now), failure: None, same: 0, reported: 0, waits: true };
        let entry = self.entries.entry(resource.clone()).or_insert(fresh);
        let peace = now.saturating_duration_since(entry.last);
        if peace >= STABLE.max(2 * pause(entry.count)) {
            entry.count = 0;
            entry.same = 0;
            entry.reported = 0;
        }
        entry.count += 1;
        entry.last = now;
        entry.until = Until::Time(now + pause(entry.count));
        entry.waits = true;
        entry
    }
}

impl Until {
    fn is_after(self, now: Instant) -> bool {
        match self {
            Self::Time(until) => until > now,
            Self::Change => true,
        }
    }
}

fn pause(count: u32) -> Duration {
    let doublings = count.saturating_sub(1).min(16);
    (FIRST * 2_u32.pow(doublings)).min(LONGEST)
}

/// Messages differ each time (ids, times); the action and the code do not.
fn same(a: &Failure, b: &Failure) -> bool {
    (a.verb, a.fault, &a.resource) == (b.verb, b.fault, &b.resource)
}

/// Whether the fault may resolve with time. Another try at a proof changes nothing.
fn passes(failure: &Failure) -> bool {
    let is_proof = failure.code == Code::PolicyUnproven;
    is_proof || matches!(failure.fault, Some(Fault::Pull | Fault::Unreachable | Fault::TimedOut))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(fault: Fault) -> Failure {
        Failure {
            code: Code::EngineFailed,
            exit_code: None,
            probe: None,
            resource: ResourceId::main(),
            name: "moat-a".to_owned(),
            verb: "start",
            fault: Some(fault),
            message: "no".to_owned(),
            hint: None,
            log: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_a_ceiling() {
        let (mut backoff, main, mut now) = (Backoff::default(), ResourceId::main(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..11 {
            let (_, pause) = backoff.repaired(&main, now);
            pauses.push(pause.as_secs());
            assert!(backoff.left(now).contains(&main));
            now = backoff.next().expect("a pause has an end");
            assert!(backoff.left(now).is_empty());
            assert_eq!(backoff.next(), None, "it is retried");
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    /// A round that started before the end of a pause excludes the resource, and may end after the pause.
    #[tokio::test(start_paused = true)]
    async fn a_pause_that_ends_during_a_round_is_not_lost() {
        let (mut backoff, main, began) = (Backoff::default(), ResourceId::main(), Instant::now());
        let (_, pause) = backoff.repaired(&main, began);
        assert!(backoff.left(began).contains(&main));
        assert_eq!(backoff.next(), Some(began + pause), "however late it is asked");
        assert!(backoff.left(began + 2 * pause).is_empty());
        assert_eq!(backoff.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stable_period_resets_the_pause() {
        let (mut backoff, main, now) = (Backoff::default(), ResourceId::main(), Instant::now());
        assert_eq!(backoff.repaired(&main, now).0, 1);
        assert_eq!(backoff.repaired(&main, now + STABLE - Duration::from_millis(1)).0, 2);
        assert_eq!(backoff.repaired(&main, now + 2 * STABLE).0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_failure_is_given_up_unless_transient() {
        for (fault, given_up) in [(Fault::Engine, true), (Fault::Refused, true), (Fault::Pull, false)] {
            let (mut backoff, mut now) = (Backoff::default(), Instant::now());
            let mut tries = 0;
            while tries < 50 {
                tries += 1;
                match backoff.failed(&failure(fault), false, now) {
                    Until::Time(next) => now = next,
                    Until::Change => break,
                }
            }
            assert_eq!(tries < 50, given_up, "{fault}");
            assert_eq!(backoff.left(now + LONGEST * 10).is_empty(), !given_up);
            backoff.forget(&ResourceId::main());
            assert!(backoff.left(now).is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn interrupting_retries_and_equal_builds_wait_for_a_change() {
        let ended = || Failure { fault: None, code: Code::ContainerExited, ..failure(Fault::Engine) };
        let built = || Failure { code: Code::BuildFailed, ..failure(Fault::Engine) };
        let table = [
            (ended(), true, true),
            (ended(), false, false),
            // The result is unknown.
            (failure(Fault::TimedOut), true, false),
            (built(), false, true),
        ];
        for (failure, interrupts, is_final) in table {
            let (mut backoff, now) = (Backoff::default(), Instant::now());
            assert_eq!(backoff.failed(&failure, interrupts, now) == Until::Change, is_final, "{failure:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_different_failure_is_retried() {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        for nth in 0..3 * SAME_MAX {
            let fault = if nth % 2 == 0 { Fault::Engine } else { Fault::Conflict };
            let Until::Time(next) = backoff.failed(&failure(fault), false, now) else { panic!("given up") };
            now = next;
        }
    }
}

//! How long a resource is left alone: each repair and each failure doubles the pause, peace ends it.
//!
//! Knows nothing of engines: it is told what happened, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use moat_model::engine::Fault;
use moat_model::resource::ResourceId;
use moat_plan::event::{Code, Failure};

/// The pause after a first repair: nobody waits for it unless it is needed again at once.
pub const FIRST: Duration = Duration::from_secs(1);
/// Kubernetes's ceiling for a crash-looping container, which people are used to.
pub const LONGEST: Duration = Duration::from_secs(5 * 60);
/// What has run for this long, and for twice its last pause, begins anew.
pub const STABLE: Duration = Duration::from_secs(60);
/// This many repairs without peace in between are a loop, and worth a word.
pub const LOOPING: u32 = 3;
/// The same failure this often, over about a quarter of an hour, will not go away by itself.
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
    /// How often in a row it failed in the same way.
    same: u32,
    /// The count of which somebody was told.
    told: u32,
    /// It has not had its turn since.
    waits: bool,
}

/// How long a resource is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Time(Instant),
    /// Somebody changes something.
    Change,
}

impl Backoff {
    /// A resource had to be repaired; gives how often without peace in between, and how long it is left alone now.
    pub fn repaired(&mut self, resource: &ResourceId, now: Instant) -> (u32, Duration) {
        let entry = self.hit(resource, now);
        entry.failure = None;
        entry.same = 0;
        (entry.count, pause(entry.count))
    }

    /// An operation on it failed; gives how long it is left alone now. `interrupts`: each try ends what works.
    pub fn failed(&mut self, failure: &Failure, interrupts: bool, now: Instant) -> Until {
        let entry = self.hit(&failure.resource, now);
        let is_same = entry.failure.as_ref().is_some_and(|last| same(last, failure));
        entry.same = if is_same { entry.same + 1 } else { 1 };
        entry.failure = Some(failure.clone());
        // An image of the same files fails in the same way. A container that ended by itself will do so again, and is not
        // worth another interruption.
        let is_final = failure.code == Code::BuildFailed || (interrupts && failure.fault.is_none());
        if is_final || (entry.same >= SAME_MAX && !passes(failure)) {
            entry.until = Until::Change;
        }
        entry.until
    }

    /// How often it needed something without peace in between, and until when it is left alone.
    pub fn of(&self, resource: &ResourceId) -> Option<(u32, Until)> {
        self.entries.get(resource).map(|entry| (entry.count, entry.until))
    }

    /// Whether nobody has been told yet that it is left alone; from now on somebody has.
    pub fn is_news(&mut self, resource: &ResourceId) -> bool {
        self.entries
            .get_mut(resource)
            .is_some_and(|entry| std::mem::replace(&mut entry.told, entry.count) != entry.count)
    }

    /// What is left alone by a round that begins now. Everything else has its turn in it.
    pub fn left(&mut self, now: Instant) -> BTreeSet<ResourceId> {
        for entry in self.entries.values_mut() {
            entry.waits &= entry.until.is_after(now);
        }
        let is_left = |entry: &Entry| entry.until.is_after(now);
        self.entries.iter().filter(|(_, entry)| is_left(entry)).map(|(resource, _)| resource.clone()).collect()
    }

    /// When the next of them has its turn again. That may be over: a pause may end while a round is under way that has
    /// begun before, and leaves the resource alone.
    pub fn next(&self) -> Option<Instant> {
        let times = self.entries.values().filter(|entry| entry.waits).filter_map(|entry| match entry.until {
            Until::Time(until) => Some(until),
            Until::Change => None,
        });
        times.min()
    }

    /// Somebody has changed it, or asks for another try.
    pub fn forget(&mut self, resource: &ResourceId) {
        self.entries.remove(resource);
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    fn hit(&mut self, resource: &ResourceId, now: Instant) -> &mut Entry {
        let fresh =
            Entry { count: 0, last: now, until: Until::Time(now), failure: None, same: 0, told: 0, waits: true };
        let entry = self.entries.entry(resource.clone()).or_insert(fresh);
        let peace = now.saturating_duration_since(entry.last);
        if peace >= STABLE.max(2 * pause(entry.count)) {
            entry.count = 0;
            entry.same = 0;
            entry.told = 0;
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

/// Words differ from one time to the next (ids, times); what was tried, and how it ended, does not.
fn same(a: &Failure, b: &Failure) -> bool {
    (a.verb, a.fault, &a.resource) == (b.verb, b.fault, &b.resource)
}

/// Whether time alone may mend it.
fn passes(failure: &Failure) -> bool {
    matches!(failure.fault, Some(Fault::Pull | Fault::Unreachable | Fault::TimedOut))
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
            assert_eq!(backoff.next(), None, "it has its turn");
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    /// A round that began before the end of a pause leaves the resource alone, and may itself end after it.
    #[tokio::test(start_paused = true)]
    async fn a_turn_that_comes_while_a_round_is_under_way_is_not_lost() {
        let (mut backoff, main, began) = (Backoff::default(), ResourceId::main(), Instant::now());
        let (_, pause) = backoff.repaired(&main, began);
        assert!(backoff.left(began).contains(&main));
        assert_eq!(backoff.next(), Some(began + pause), "however late it is asked");
        assert!(backoff.left(began + 2 * pause).is_empty());
        assert_eq!(backoff.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn peace_begins_anew() {
        let (mut backoff, main, now) = (Backoff::default(), ResourceId::main(), Instant::now());
        assert_eq!(backoff.repaired(&main, now).0, 1);
        assert_eq!(backoff.repaired(&main, now + STABLE - Duration::from_millis(1)).0, 2);
        assert_eq!(backoff.repaired(&main, now + 2 * STABLE).0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_failure_is_given_up_unless_it_may_pass() {
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
    async fn what_would_interrupt_again_or_is_the_same_image_waits_for_a_change() {
        let ended = || Failure { fault: None, code: Code::ContainerExited, ..failure(Fault::Engine) };
        let built = || Failure { code: Code::BuildFailed, ..failure(Fault::Engine) };
        let table = [
            (ended(), true, true),
            (ended(), false, false),
            // Nobody knows what came of it.
            (failure(Fault::TimedOut), true, false),
            (built(), false, true),
        ];
        for (failure, interrupts, is_final) in table {
            let (mut backoff, now) = (Backoff::default(), Instant::now());
            assert_eq!(backoff.failed(&failure, interrupts, now) == Until::Change, is_final, "{failure:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_failure_is_another_matter() {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        for nth in 0..3 * SAME_MAX {
            let fault = if nth % 2 == 0 { Fault::Engine } else { Fault::Conflict };
            let Until::Time(next) = backoff.failed(&failure(fault), false, now) else { panic!("given up") };
            now = next;
        }
    }
}

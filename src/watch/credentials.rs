//! When the credentials of an agent's grants are fetched from their sources again: after a server has refused one, and when
//! one is old.
//!
//! Makes decisions only, from what the gateway says. Never a loop: a sandbox can cause refusals as often as it likes, so each
//! fetch that changes nothing doubles the pause before the next one.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use moat_model::graph::Graph;
use moat_model::resource::Config;
use moat_model::state::GrantFacts;

/// The age after which the output of a command is fetched again: tokens of an hour are common.
pub const AGE: Duration = Duration::from_secs(30 * 60);

/// The pause after a fetch, and its limit.
const PAUSE: Duration = Duration::from_secs(30);
const PAUSE_MAX: Duration = AGE;

/// A grant that may have another value at its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The output of a command changes without a notice.
    Command,
    /// A file, of which changes are noticed, or a password store.
    Stored,
}

/// The grants of one agent.
#[derive(Debug)]
pub struct Credentials {
    /// All grants are fetched together.
    fetched: Instant,
    grants: BTreeMap<String, Known>,
}

#[derive(Debug, Default)]
struct Known {
    digest: Option<String>,
    /// The refusal after which the value was fetched again.
    handled: Option<String>,
    /// Fetches since the value was another one.
    tries: u32,
    not_before: Option<Instant>,
}

/// Why credentials are fetched again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stale {
    /// A server refused this grant.
    Refused(String),
    /// This grant is old.
    Old(String),
}

impl Credentials {
    /// Credentials that were fetched just now.
    pub fn new(now: Instant) -> Self {
        Self { fetched: now, grants: BTreeMap::new() }
    }

    /// Compares the grants of a gateway with what is known. `Some`: they are fetched now, which counts.
    pub fn stale(
        &mut self,
        sources: &BTreeMap<String, Source>,
        facts: &BTreeMap<String, GrantFacts>,
        now: Instant,
    ) -> Option<Stale> {
        self.grants.retain(|name, _| sources.contains_key(name));
        let mut found = None;
        for (name, source) in sources {
            // A locked grant gets its value anyway, and a revoked one must not.
            let Some(facts) = facts.get(name).filter(|it| !it.locked && !it.revoked) else { continue };
            let known = self.grants.entry(name.clone()).or_default();
            if known.digest != facts.digest {
                *known = Known { digest: facts.digest.clone(), not_before: known.not_before, ..Known::default() };
            }
            if found.is_some() {
                continue;
            }
            let is_refused = facts.refused.is_some() && facts.refused != known.handled;
            if is_refused && known.not_before.is_none_or(|at| at <= now) {
                known.handled.clone_from(&facts.refused);
                let pause = PAUSE.saturating_mul(2_u32.saturating_pow(known.tries)).min(PAUSE_MAX);
                known.tries += 1;
                known.not_before = Some(now + pause);
                found = Some(Stale::Refused(name.clone()));
            } else if *source == Source::Command && now >= self.fetched + AGE {
                found = Some(Stale::Old(name.clone()));
            }
        }
        if found.is_some() {
            self.fetched = now;
        }
        found
    }
}

/// The grants of a graph whose sources may have another value. The variables of this process never do.
pub fn sources(graph: &Graph) -> BTreeMap<String, Source> {
    let source = |text: &str| match text.split_once("://") {
        Some(("cmd", _)) => Some(Source::Command),
        Some(("env", _)) => None,
        _ => Some(Source::Stored),
    };
    let grants = graph.nodes().filter_map(|node| match &node.config {
        Config::Grant(grant) => Some((node.id.name.clone(), source(&grant.source)?)),
        _ => None,
    });
    grants.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(source: Source) -> BTreeMap<String, Source> {
        BTreeMap::from([("github".to_owned(), source)])
    }

    fn facts(digest: &str, refused: Option<usize>) -> BTreeMap<String, GrantFacts> {
        let (digest, refused) = (Some(digest.to_owned()), refused.map(|time| time.to_string()));
        BTreeMap::from([("github".to_owned(), GrantFacts { digest, refused, ..GrantFacts::default() })])
    }

    /// An agent that goes on with a refused credential causes a refusal each second.
    #[test]
    fn refusals_without_end_are_followed_ever_less() {
        let start = Instant::now();
        let mut credentials = Credentials::new(start);
        let mut fetched = Vec::new();
        for second in 0..7200 {
            let now = start + Duration::from_secs(second as u64);
            if let Some(stale) = credentials.stale(&sources(Source::Stored), &facts("a", Some(second)), now) {
                assert_eq!(stale, Stale::Refused("github".to_owned()));
                fetched.push(second);
            }
        }
        assert_eq!(fetched, [0, 30, 90, 210, 450, 930, 1890, 3690, 5490]);
    }

    #[test]
    fn a_refusal_is_followed_once_and_another_value_starts_anew() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut credentials = Credentials::new(start);
        let mut stale = |facts: &_, seconds| credentials.stale(&sources(Source::Stored), facts, at(seconds)).is_some();
        assert!(!stale(&facts("a", None), 0));
        assert!(stale(&facts("a", Some(1)), 1));
        assert!(!stale(&facts("a", Some(1)), 10_000), "the same refusal");
        assert!(stale(&facts("a", Some(2)), 10_001) && !stale(&facts("a", Some(3)), 10_002));
        assert!(!stale(&facts("b", None), 10_003), "another value");
        assert!(!stale(&facts("b", Some(4)), 10_004), "which is refused too: the pause still holds");
        assert!(stale(&facts("b", Some(4)), 10_100) && stale(&facts("b", Some(5)), 10_131));
    }

    #[test]
    fn only_commands_age_and_only_values_that_are_held() {
        let start = Instant::now();
        let later = |times: u32| start + AGE * times;
        let mut credentials = Credentials::new(start);
        let old = Some(Stale::Old("github".to_owned()));
        assert_eq!(credentials.stale(&sources(Source::Command), &facts("a", None), start + AGE / 2), None);
        assert_eq!(credentials.stale(&sources(Source::Command), &facts("a", None), later(1)), old);
        assert_eq!(credentials.stale(&sources(Source::Command), &facts("a", None), later(1)), None);
        assert_eq!(credentials.stale(&sources(Source::Stored), &facts("a", None), later(3)), None);
        let mut locked = facts("a", Some(1));
        for (is_locked, is_revoked) in [(true, false), (true, true)] {
            let grant = locked.get_mut("github").expect("it has one");
            (grant.locked, grant.revoked) = (is_locked, is_revoked);
            assert_eq!(credentials.stale(&sources(Source::Command), &locked, later(9)), None);
        }
        assert_eq!(credentials.stale(&sources(Source::Command), &BTreeMap::new(), later(9)), None);
    }
}

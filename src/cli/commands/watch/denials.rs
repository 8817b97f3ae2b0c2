//! Reports what the gateways of watched sandboxes deny: a new host once, and again only after a while.
//!
//! Polls the logs of the gateways. Nothing here changes anything, and no error ends a watch.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::host::CliHost;
use crate::cli::decisions::{DecisionLog, after, is_since};
use crate::clock::Clock;
use crate::ui::render::net::denied::denied;
use crate::watch::Host;
use moat_docker::Docker;
use moat_gateway::LogLine;
use moat_model::engine::{Engine, Filter};
use moat_model::resource::Run;
use moat_plan::event::Event;

/// The interval between looks at a log. An unchanged one costs two small calls.
const LOOK: Duration = Duration::from_secs(3);

/// A program that tries a host again and again is reported once in this time.
const AGAIN: Duration = Duration::from_secs(600);

/// The hosts of one event. The sandbox chooses their number.
const HOSTS_MAX: usize = 5;

/// The remembered hosts of a sandbox, for the same reason.
const REMEMBERED_MAX: usize = 1000;

/// Follows the log of one run for as long as the watch lasts.
pub(super) async fn follow(host: &CliHost<'_>, engine: &Docker, agent: usize, run: &Run) {
    let since = Clock::System.now();
    let mut reported = Reported::default();
    loop {
        // Most sandboxes have no gateway: only a round of the watch can bring one.
        host.next_settled(agent).await;
        if let Some(log) = find(engine, run).await {
            read(host, agent, run, log, since, &mut reported).await;
        }
    }
}

/// The log of the run's gateway; `None` if it has none now.
async fn find<'a>(engine: &'a Docker, run: &'a Run) -> Option<DecisionLog<'a>> {
    let containers = engine.containers(&Filter::Run(run.id.clone())).await.ok()?;
    DecisionLog::of(engine, run, &containers).ok()
}

/// Reports denials until the log cannot be read any more.
async fn read(
    host: &CliHost<'_>,
    agent: usize,
    run: &Run,
    mut log: DecisionLog<'_>,
    since: Timestamp,
    reported: &mut Reported,
) {
    let mut last: Option<LogLine> = None;
    loop {
        let all = match log.changed().await {
            Ok(Some(all)) => all,
            Ok(None) => {
                sleep(LOOK).await;
                continue;
            }
            Err(_) => return,
        };
        let new = after(&all, last.as_ref()).iter().filter(|line| is_since(line, Some(since)));
        let hosts: Vec<String> = denied(new).iter().map(|it| it.target().to_owned()).collect();
        let hosts = reported.news(hosts, Instant::now());
        if !hosts.is_empty() {
            let (hosts, more) = (&hosts[..hosts.len().min(HOSTS_MAX)], hosts.len().saturating_sub(HOSTS_MAX));
            host.report(Some(agent), Event::Denied { run, hosts, others: more });
        }
        last = all.last().cloned().or(last);
        sleep(LOOK).await;
    }
}

/// The hosts that were reported, with the time.
#[derive(Default)]
struct Reported(BTreeMap<String, Instant>);

impl Reported {
    /// The hosts that were not reported lately, in the same order.
    fn news(&mut self, hosts: Vec<String>, now: Instant) -> Vec<String> {
        self.0.retain(|_, time| now.duration_since(*time) < AGAIN);
        let news: Vec<String> = hosts.into_iter().filter(|host| !self.0.contains_key(host)).collect();
        let room = REMEMBERED_MAX.saturating_sub(self.0.len());
        self.0.extend(news.iter().take(room).map(|host| (host.clone(), now)));
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_reported_once_in_a_while() {
        let (mut reported, now) = (Reported::default(), Instant::now());
        let hosts = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(reported.news(hosts(&["a", "b"]), now), ["a", "b"]);
        assert_eq!(reported.news(hosts(&["c", "a"]), now + AGAIN / 2), ["c"]);
        assert_eq!(reported.news(hosts(&["a", "c"]), now + AGAIN), ["a"]);
        let many: Vec<String> = (0..2 * REMEMBERED_MAX).map(|it| it.to_string()).collect();
        assert_eq!(reported.news(many, now + AGAIN).len(), 2 * REMEMBERED_MAX);
        assert_eq!(reported.0.len(), REMEMBERED_MAX);
    }
}

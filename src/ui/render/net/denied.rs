//! What a gateway denied, one line for each host and port.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::log::{target, time};
use super::phrase;
use crate::ui::encode;
use crate::ui::terminal::table;
use moat_gateway::{Decision, Entry, LogLine, Plane, Reason};
use moat_model::resource::Run;
use moat_policy::{HOST, HostName, Port, Rule};

/// A denied host and port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Denied {
    /// `None`: the client named no host.
    name: Option<String>,
    /// `None`: the name was only looked up.
    port: Option<u16>,
    reason: Reason,
    times: usize,
    /// The time of the last one.
    last: String,
    /// The rule, or the entry of `host`, that would allow it.
    rule: Option<String>,
    #[serde(skip)]
    target: String,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    denied: &'a [Denied],
}

impl Denied {
    /// The host and port.
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// The denials of a log, those that happened last first. A query counts only if no connection followed.
pub fn denied<'a>(lines: impl Iterator<Item = &'a LogLine>) -> Vec<Denied> {
    let mut all: BTreeMap<(String, Reason), (Denied, usize)> = BTreeMap::new();
    let mut connected = BTreeSet::new();
    for (place, line) in lines.enumerate().filter(|(_, line)| line.entry.decision == Decision::Deny) {
        let entry = &line.entry;
        let Some(reason) = entry.reason else { continue };
        if entry.plane != Plane::Dns {
            connected.extend(entry.name.clone());
        }
        let (row, last) = all.entry((target(entry), reason)).or_insert_with(|| (row(entry, reason), place));
        row.times += 1;
        row.last = time(line);
        *last = place;
    }
    let is_followed =
        |row: &Denied| row.port.is_none() && connected.iter().any(|it| Some(it.as_str()) == row.name.as_deref());
    let mut rows: Vec<(Denied, usize)> = all.into_values().filter(|(row, _)| !is_followed(row)).collect();
    rows.sort_by_key(|(_, last)| std::cmp::Reverse(*last));
    rows.into_iter().map(|(row, _)| row).collect()
}

fn row(entry: &Entry, reason: Reason) -> Denied {
    let port = Port::new(entry.port).filter(|_| entry.plane != Plane::Dns);
    let name = entry.name.as_ref().filter(|_| reason == Reason::NoRule);
    Denied {
        name: entry.name.as_ref().map(ToString::to_string),
        port: port.map(Port::number),
        reason,
        times: 0,
        last: String::new(),
        rule: name.and_then(|name| allowed_by(name, port)),
        target: target(entry),
    }
}

/// The entry of a spec that would allow a host.
fn allowed_by(name: &HostName, port: Option<Port>) -> Option<String> {
    if name.as_str() == HOST {
        return port.map(|port| format!("host: [{port}]"));
    }
    (!name.is_reserved()).then(|| Rule::for_host(name, port.unwrap_or(Port::TLS)).to_string())
}

/// How many hosts fit into one line.
const IN_LINE: usize = 3;

/// Returns one line without a line feed.
pub fn summary(all: &[Denied]) -> String {
    let shown: Vec<&str> = all.iter().take(IN_LINE).map(|it| it.target.as_str()).collect();
    let more = match all.len().saturating_sub(IN_LINE) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more} in the last hour (`moat net denied`)", shown.join(", "))
}

/// Returns a table; empty without rows.
pub fn text(all: &[Denied]) -> String {
    let row = |it: &Denied| {
        let rule = it.rule.clone().unwrap_or_default();
        [it.target.clone(), it.times.to_string(), it.last.clone(), phrase(it.reason).to_owned(), rule]
    };
    table::text(["HOST", "TIMES", "LAST", "REASON", "ALLOWED BY"], &all.iter().map(row).collect::<Vec<_>>())
}

/// Ends with a line feed.
pub fn json(run: &Run, denied: &[Denied]) -> String {
    encode::json(&Document { run: run.id.as_str(), agent: run.agent.as_str(), denied })
}

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_host_is_one_line_and_a_query_only_if_nothing_followed() {
        let line = |second: u64, plane: &str, name: &str, port: u16, reason: &str| {
            let text = format!(
                r#"{{"time":"2026-11-28T02:00:0{second}Z","id":1,"plane":"{plane}","client":"10.83.0.18"{name},"port":{port},"decision":"deny","reason":"{reason}"}}"#
            );
            serde_json::from_str::<LogLine>(&text).unwrap()
        };
        let named = |name: &str| format!(r#","name":"{name}""#);
        let mut all = vec![
            line(0, "dns", &named("evil.example"), 53, "no-rule"),
            line(1, "tls", &named("evil.example"), 443, "no-rule"),
            line(2, "tls", &named("evil.example"), 443, "no-rule"),
            line(3, "http", &named("evil.example"), 80, "no-rule"),
            line(4, "dns", &named("git.example"), 53, "no-rule"),
            line(5, "tls", &named("a.npmjs.org"), 443, "no-rule"),
            line(6, "tls", &named("intra.example"), 443, "address"),
            line(7, "http", "", 80, "no-name"),
            line(8, "http", &named("host.docker.internal"), 8080, "no-rule"),
            line(9, "http", &named("denied.moat.internal"), 80, "no-rule"),
        ];
        let mut allowed = all[1].clone();
        allowed.entry.decision = Decision::Allow;
        all.push(allowed);
        expect![[r#"
            HOST                       TIMES  LAST                      REASON                         ALLOWED BY
            denied.moat.internal:80    1      2026-11-28T02:00:09.000Z  no rule
            host.docker.internal:8080  1      2026-11-28T02:00:08.000Z  no rule                        host: [8080]
            -:80                       1      2026-11-28T02:00:07.000Z  names no host
            intra.example:443          1      2026-11-28T02:00:06.000Z  resolves to a private address
            a.npmjs.org:443            1      2026-11-28T02:00:05.000Z  no rule                        @npm
            git.example                1      2026-11-28T02:00:04.000Z  no rule                        git.example
            evil.example:80            1      2026-11-28T02:00:03.000Z  no rule                        evil.example
            evil.example:443           2      2026-11-28T02:00:02.000Z  no rule                        evil.example
        "#]]
        .assert_eq(&text(&denied(all.iter())));
        let (all, one) = (denied(all.iter()), denied(all[..2].iter()));
        assert_eq!(summary(&one), "evil.example:443 in the last hour (`moat net denied`)");
        let three = "denied.moat.internal:80, host.docker.internal:8080, -:80";
        assert_eq!(summary(&all), format!("{three} and 5 more in the last hour (`moat net denied`)"));
    }
}

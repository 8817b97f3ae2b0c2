//! The log of a gateway, one line for each entry.

use std::collections::BTreeMap;

use serde::Serialize;

use super::phrase;
use crate::clock::written;
use crate::ui::Colour;
use crate::ui::encode;
use crate::ui::terminal::style::{BAD, CARE, FAINT, GOOD, bytes, harmless};
use moat_gateway::{Decision, Entry, LogLine, Plane};
use moat_model::resource::Run;

/// The display of entries.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    pub run: &'a Run,
    pub json: bool,
    pub colour: Colour,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    #[serde(flatten)]
    line: &'a LogLine,
}

impl Shown<'_> {
    /// One line, which ends with a line feed.
    pub fn line(&self, line: &LogLine) -> String {
        let Self { run, json, colour } = *self;
        if json {
            return encode::compact(&Document { run: run.id.as_str(), agent: run.agent.as_str(), line });
        }
        let entry = &line.entry;
        let (word, style) = match entry.decision {
            Decision::Allow => ("allow", GOOD),
            Decision::Learn => ("learn", CARE),
            Decision::Deny => ("deny", BAD),
        };
        let (time, word) = (colour.paint(FAINT, &time(line)), colour.paint(style, &format!("{word:5}")));
        let plane = plane(entry.plane);
        let mut text = format!("{time}  {word}  {plane:5}  {:15}  {}", entry.client.to_string(), target(entry));
        let request = entry.method.iter().chain(&entry.path).map(|part| harmless(part)).collect::<Vec<_>>().join(" ");
        let parts = [
            Some(request).filter(|request| !request.is_empty()),
            entry.rule.as_deref().map(harmless),
            entry.reason.map(|reason| phrase(reason).to_owned()),
            entry
                .sent
                .zip(entry.received)
                .map(|(sent, back)| format!("{} sent, {} received", bytes(sent), bytes(back))),
        ];
        for part in parts.into_iter().flatten() {
            text.push_str(&format!("  {part}"));
        }
        text.push('\n');
        text
    }
}

/// One line for each connection: the time of its start, and the bytes of its end.
pub fn connections(lines: impl Iterator<Item = LogLine>) -> Vec<LogLine> {
    let mut places = BTreeMap::new();
    let mut shown: Vec<LogLine> = Vec::new();
    for line in lines {
        let Entry { id, plane, client, port, sent, .. } = line.entry;
        // Ids start again with each start of a gateway: only an end belongs to an earlier line.
        if let Some(place) = places.get(&(id, plane, client, port)).filter(|_| sent.is_some()) {
            let start: &mut LogLine = &mut shown[*place];
            start.entry = line.entry;
        } else {
            places.insert((id, plane, client, port), shown.len());
            shown.push(line);
        }
    }
    shown
}

/// The time in a fixed length.
pub(super) fn time(line: &LogLine) -> String {
    line.time.parse().map_or_else(|_| harmless(&line.time), written)
}

/// The host and port; the name alone for a query.
pub(super) fn target(entry: &Entry) -> String {
    let name = entry.name.as_ref().map_or("-", |name| name.as_str());
    if entry.plane == Plane::Dns { name.to_owned() } else { format!("{name}:{}", entry.port) }
}

fn plane(plane: Plane) -> &'static str {
    match plane {
        Plane::Dns => "dns",
        Plane::Http => "http",
        Plane::Tls => "tls",
        Plane::Tcp => "tcp",
        Plane::Agent => "agent",
    }
}

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests {
    use std::path::Path;

    use expect_test::expect;

    use super::*;
    use moat_model::resource::AgentName;

    fn lines(text: &str) -> Vec<LogLine> {
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    const LOG: &str = r#"{"time":"2026-11-28T02:00:00.5Z","id":1,"plane":"dns","client":"10.83.0.18","name":"evil.example","port":53,"decision":"deny","reason":"no-rule"}
{"time":"2026-11-28T02:00:01Z","id":2,"plane":"tls","client":"10.83.0.18","name":"evil.example","port":443,"decision":"deny","reason":"no-rule"}
{"time":"2026-11-28T02:00:02Z","id":3,"plane":"tls","client":"10.83.0.19","name":"a.npmjs.org","port":443,"decision":"allow","rule":"@npm"}
{"time":"2026-11-28T02:00:03Z","id":4,"plane":"http","client":"10.83.0.18","port":80,"decision":"deny","reason":"no-name"}
{"time":"2026-11-28T02:00:04Z","id":3,"plane":"tls","client":"10.83.0.19","name":"a.npmjs.org","port":443,"decision":"allow","rule":"@npm","sent":812,"received":1200000}
{"time":"2026-11-28T02:00:05Z","id":3,"plane":"tls","client":"10.83.0.19","name":"b.example","port":443,"decision":"learn"}
"#;

    #[test]
    fn a_connection_is_one_line() {
        let run = Run::derive(AgentName::parse("a").unwrap(), Path::new("/a"));
        let all = lines(LOG);
        let shown = Shown { run: &run, json: false, colour: Colour::Never };
        let text: String = connections(all.into_iter()).iter().map(|line| shown.line(line)).collect();
        expect![[r#"
            2026-11-28T02:00:00.500Z  deny   dns    10.83.0.18       evil.example  no rule
            2026-11-28T02:00:01.000Z  deny   tls    10.83.0.18       evil.example:443  no rule
            2026-11-28T02:00:02.000Z  allow  tls    10.83.0.19       a.npmjs.org:443  @npm  812 B sent, 1.2 MB received
            2026-11-28T02:00:03.000Z  deny   http   10.83.0.18       -:80  names no host
            2026-11-28T02:00:05.000Z  learn  tls    10.83.0.19       b.example:443
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn a_script_gets_the_entry_with_its_sandbox() {
        let run = Run::derive(AgentName::parse("a").unwrap(), Path::new("/a"));
        let shown = Shown { run: &run, json: true, colour: Colour::Never };
        expect![[r#"
            {"run":"a-8a76f307","agent":"a","time":"2026-11-28T02:00:04Z","id":3,"plane":"tls","client":"10.83.0.19","name":"a.npmjs.org","port":443,"decision":"allow","rule":"@npm","sent":812,"received":1200000}
        "#]].assert_eq(&shown.line(&lines(LOG)[4]));
    }
}

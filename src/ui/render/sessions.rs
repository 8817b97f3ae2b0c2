//! The terminal sessions of a sandbox as a table, a sentence or JSON.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::clock::at_second;
use crate::ui::encode;
use crate::ui::phrases;
use crate::ui::terminal::style::harmless;
use crate::ui::terminal::table;
use moat_model::resource::Run;
use moat_session::{Ended, Session, State};

/// The sessions of a sandbox.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub run: &'a Run,
    pub sessions: &'a [Session],
    /// The reference time of ages.
    pub now: Timestamp,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    sessions: Vec<Row<'a>>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    state: State,
    program: String,
    /// The number of attached clients.
    attached: usize,
    started_at: String,
    ended_at: Option<String>,
    exit_code: Option<i32>,
}

impl View<'_> {
    /// Ends with a line feed.
    pub fn text(&self) -> String {
        if self.sessions.is_empty() {
            return format!("no sessions in {}\n", self.run.agent);
        }
        let cells = |it: &Session| {
            let facts = &it.facts;
            let state = match (it.state, facts.ended) {
                (State::Running, _) if facts.attached > 0 => "attached".to_owned(),
                (State::Running, _) => "detached".to_owned(),
                (State::Ended, Some(Ended { code, .. })) => format!("exit code {code}"),
                _ => "lost".to_owned(),
            };
            [facts.name.clone(), state, ago(self.now, facts.started), plain(&facts.program)]
        };
        table::text(["NAME", "STATE", "STARTED", "COMMAND"], &self.sessions.iter().map(cells).collect::<Vec<_>>())
    }

    /// Ends with a line feed.
    pub fn json(&self) -> String {
        let sessions = self.sessions.iter().map(row).collect();
        encode::json(&Document { run: self.run.id.as_str(), agent: self.run.agent.as_str(), sessions })
    }
}

fn row(it: &Session) -> Row<'_> {
    let facts = &it.facts;
    let ended = facts.ended.filter(|_| it.state == State::Ended);
    Row {
        name: &facts.name,
        state: it.state,
        program: plain(&facts.program),
        attached: if it.state == State::Running { facts.attached } else { 0 },
        started_at: at(facts.started),
        ended_at: ended.map(|ended| at(ended.at)),
        exit_code: ended.map(|ended| ended.code),
    }
}

/// Says how a session ended.
pub fn ended(it: &Session) -> String {
    let facts = &it.facts;
    match facts.ended {
        Some(Ended { code, at }) => {
            format!("session `{}` ended with exit code {code}, {}", facts.name, ago(Timestamp::now(), at))
        }
        None => format!("session `{}` was lost", facts.name),
    }
}

/// A text from a sandbox, without control characters.
pub fn plain(text: &str) -> String {
    harmless(text)
}

fn at(second: u64) -> String {
    at_second(i64::try_from(second).unwrap_or(i64::MAX))
}

/// The clock of the Docker host may be ahead.
fn ago(now: Timestamp, second: u64) -> String {
    let seconds = i64::try_from(second).unwrap_or(i64::MAX);
    let age = SignedDuration::from_secs(now.as_second().saturating_sub(seconds).max(0));
    format!("{} ago", phrases::age(age))
}

#[cfg(test)]
mod tests {
    use super::*;
    use moat_model::resource::AgentName;
    use moat_session::Facts;

    fn session(name: &str, state: State, attached: usize, ended: Option<Ended>) -> Session {
        let facts = Facts {
            name: name.to_owned(),
            program: "cla\u{1b}[2Jude".to_owned(),
            started: 100,
            attached,
            ended,
            seen: false,
        };
        Session { facts, state }
    }

    #[test]
    fn a_session_is_attached_detached_ended_or_lost() {
        let run = Run::derive(AgentName::parse("builder").expect("a name"), std::path::Path::new("/p/agent.yaml"));
        let sessions = [
            session("a", State::Running, 1, None),
            session("b", State::Running, 0, None),
            session("c", State::Ended, 0, Some(Ended { code: 3, at: 130 })),
            session("d", State::Lost, 2, None),
        ];
        let view = View { run: &run, sessions: &sessions, now: Timestamp::from_second(160).expect("a time") };
        expect_test::expect![[r"
            NAME  STATE        STARTED    COMMAND
            a     attached     1 min ago  cla�[2Jude
            b     detached     1 min ago  cla�[2Jude
            c     exit code 3  1 min ago  cla�[2Jude
            d     lost         1 min ago  cla�[2Jude
        "]]
        .assert_eq(&view.text());
        let json: serde_json::Value = serde_json::from_str(&view.json()).expect("JSON");
        assert_eq!(json["sessions"][3]["attached"], 0);
        assert_eq!(json["sessions"][2]["exit_code"], 3);
        assert_eq!(json["sessions"][2]["ended_at"], "1970-01-01T00:02:10Z");
    }
}

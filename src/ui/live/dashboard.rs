//! A watch at a glance: one line for each agent, with how it stands, what is being done with it, and what last woke
//! the watch for it.
//!
//! Lines of text only: where they are drawn, and how often, is for [`display`](super::display) to say.

use std::collections::BTreeMap;

use crate::ui::Colour;
use crate::ui::live::phrases;
use crate::ui::terminal::style::{BAD, CARE, FAINT, GOOD, harmless};
use crate::ui::terminal::width::{columns, padded, shortened};
use moat_plan::OpId;
use moat_plan::event::Event;

/// The lines of all agents, in the order in which they were begun.
#[derive(Debug, Default)]
pub struct Dashboard {
    rows: Vec<Row>,
}

/// How an agent stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stands {
    /// Nobody has looked yet.
    #[default]
    Starting,
    AsWanted,
    /// What waits for an approval.
    Held(Vec<String>),
    /// The spec is gone, or cannot be used.
    NoSpec,
    /// For that many sessions to end.
    Waiting(usize),
    /// It is tried again; what failed last.
    Failed(String),
    /// It is not tried again before something changes; what failed last.
    Stuck(String),
    /// What had to be repaired too often.
    LeftAlone(String),
    NoEngine,
}

#[derive(Debug, Default)]
struct Row {
    label: String,
    stands: Stands,
    /// What is in flight, by operation.
    doing: BTreeMap<OpId, String>,
    cause: String,
}

/// The width of the column that says how it stands.
const WORD: usize = 10;

impl Dashboard {
    pub fn new(labels: impl IntoIterator<Item = String>) -> Self {
        Self { rows: labels.into_iter().map(|label| Row { label, ..Row::default() }).collect() }
    }

    /// Takes in how an agent stands.
    pub fn stands(&mut self, agent: usize, stands: Stands) {
        if let Some(row) = self.rows.get_mut(agent) {
            row.stands = stands;
        }
    }

    /// Takes in what happens to an agent.
    pub fn note(&mut self, agent: usize, event: &Event<'_>) {
        let Some(row) = self.rows.get_mut(agent) else { return };
        match event {
            Event::Woken { trigger, .. } => row.cause = harmless(&trigger.to_string()),
            Event::Planned { .. } | Event::Undoing { .. } | Event::Settled { .. } | Event::Unsettled { .. } => {
                row.doing.clear();
            }
            Event::Started { operation } => {
                row.doing.insert(operation.id, phrases::doing(operation));
            }
            Event::Succeeded { operation, .. } | Event::Failed { operation, .. } => {
                row.doing.remove(&operation.id);
            }
            _ => {}
        }
    }

    /// At most `height` lines, none wider than `width`. Where there is no place for all, those that are as wanted are
    /// counted and not shown.
    pub fn lines(&self, width: usize, height: usize, colour: Colour) -> Vec<String> {
        let label = self.rows.iter().map(|row| columns(&row.label)).max().unwrap_or(0);
        let line = |row: &Row| row.line(label, width, colour);
        if self.rows.len() <= height {
            return self.rows.iter().map(line).collect();
        }
        let place = height.saturating_sub(1);
        let shown: Vec<&Row> = self.rows.iter().filter(|row| !row.is_quiet()).take(place).collect();
        let more = format!("{} more", self.rows.len() - shown.len());
        let more = colour.paint(FAINT, &shortened(&more, width));
        shown.into_iter().map(line).chain([more]).take(height).collect()
    }
}

impl Row {
    fn is_quiet(&self) -> bool {
        self.stands == Stands::AsWanted && self.doing.is_empty()
    }

    fn line(&self, label: usize, width: usize, colour: Colour) -> String {
        let (word, style, rest) = match &self.stands {
            _ if !self.doing.is_empty() => {
                let all: Vec<&str> = self.doing.values().map(String::as_str).collect();
                ("working", FAINT, all.join(", ") + because(&self.cause).as_str())
            }
            Stands::Starting => ("starting", FAINT, String::new()),
            Stands::AsWanted => ("as wanted", GOOD, self.cause.clone()),
            Stands::Held(more) => ("held", CARE, format!("{} (`moat approve`)", more.join(", "))),
            Stands::NoSpec => ("no spec", BAD, "kept as it was wanted before".to_owned()),
            Stands::Waiting(1) => ("waiting", CARE, "for a session to end".to_owned()),
            Stands::Waiting(sessions) => ("waiting", CARE, format!("for {sessions} sessions to end")),
            Stands::Failed(why) => ("failed", BAD, format!("{why}; it is tried again")),
            Stands::Stuck(why) => ("given up", BAD, why.clone()),
            Stands::LeftAlone(what) => ("left alone", CARE, format!("{what}, for a while")),
            Stands::NoEngine => ("no engine", BAD, "waiting for it".to_owned()),
        };
        // The colour must not be cut in two.
        let head = shortened(&format!("{}  ", padded(&self.label, label)), width);
        let word = shortened(&padded(word, WORD), width.saturating_sub(columns(&head)));
        let used = columns(&head) + columns(&word);
        let rest = shortened(&format!("  {}", harmless(&rest)), width.saturating_sub(used));
        let bare = word.trim_end();
        let painted = if bare.is_empty() { String::new() } else { colour.paint(style, bare) };
        format!("{head}{painted}{}{rest}", &word[bare.len()..]).trim_end().to_owned()
    }
}

fn because(cause: &str) -> String {
    if cause.is_empty() { String::new() } else { format!(": {cause}") }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use moat_model::resource::{AgentName, Run};
    use moat_plan::event::Trigger;

    fn board() -> Dashboard {
        let mut board = Dashboard::new(["a", "builder", "c", "d", "e", "f", "g", "h", "i"].map(str::to_owned));
        let held = vec!["container/main gets access to /etc, outside the spec's folder".to_owned()];
        let all = [
            Stands::Starting,
            Stands::AsWanted,
            Stands::Held(held),
            Stands::NoSpec,
            Stands::Waiting(2),
            Stands::Failed("no such image".to_owned()),
            Stands::Stuck("no such image".to_owned()),
            Stands::LeftAlone("container/main".to_owned()),
            Stands::NoEngine,
        ];
        all.into_iter().enumerate().for_each(|(agent, stands)| board.stands(agent, stands));
        let run = Run::derive(AgentName::parse("builder").expect("a name"), std::path::Path::new("/b.yaml"));
        board.note(1, &Event::Woken { run: &run, trigger: &Trigger::File("b\u{1b}.yaml".to_owned()), is_told: true });
        board
    }

    #[track_caller]
    fn shows(width: usize, height: usize, expected: &Expect) {
        let lines = board().lines(width, height, Colour::Never);
        assert!(lines.iter().all(|line| columns(line) <= width), "{lines:#?}");
        assert!(lines.len() <= height, "{lines:#?}");
        expected.assert_eq(&lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>());
    }

    #[test]
    fn each_agent_has_a_line() {
        shows(
            100,
            20,
            &expect![[r"
            a        starting
            builder  as wanted   `b�.yaml` changed
            c        held        container/main gets access to /etc, outside the spec's folder (`moat approve`)
            d        no spec     kept as it was wanted before
            e        waiting     for 2 sessions to end
            f        failed      no such image; it is tried again
            g        given up    no such image
            h        left alone  container/main, for a while
            i        no engine   waiting for it
        "]],
        );
    }

    #[test]
    fn a_narrow_terminal_gets_as_much_as_it_can_show() {
        shows(
            24,
            20,
            &expect![[r"
            a        starting
            builder  as wanted   `b…
            c        held        co…
            d        no spec     ke…
            e        waiting     fo…
            f        failed      no…
            g        given up    no…
            h        left alone  co…
            i        no engine   wa…
        "]],
        );
        shows(
            5,
            20,
            &expect![[r"
            a   …
            buil…
            c   …
            d   …
            e   …
            f   …
            g   …
            h   …
            i   …
        "]],
        );
        assert_eq!(board().lines(0, 1, Colour::Never), [""]);
    }

    #[test]
    fn a_low_one_shows_those_that_somebody_should_look_at() {
        shows(
            60,
            4,
            &expect![[r"
            a        starting
            c        held        container/main gets access to /etc, ou…
            d        no spec     kept as it was wanted before
            6 more
        "]],
        );
    }

    #[test]
    fn a_colour_takes_no_place() {
        let plain = board().lines(24, 20, Colour::Never);
        let painted = board().lines(24, 20, Colour::Always);
        assert!(plain != painted);
        let bare = |line: &String| anstream::adapter::strip_str(line).to_string();
        assert_eq!(painted.iter().map(bare).collect::<Vec<_>>(), plain);
    }
}

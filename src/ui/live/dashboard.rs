//! The dashboard of a watch: one line for each agent with its state, the running operations and the last trigger.
//!
//! Renders text only; [`display`](super::display) decides where and how often it is drawn.

use std::collections::BTreeMap;

use crate::ui::Colour;
use crate::ui::phrases;
use crate::ui::terminal::style::{BAD, CARE, FAINT, GOOD, harmless};
use crate::ui::terminal::width::{columns, padded, shortened};
use moat_plan::OpId;
use moat_plan::event::Event;

/// The rows of all agents, in the order in which they were started.
#[derive(Debug, Default)]
pub struct Dashboard {
    rows: Vec<Row>,
}

/// The state of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AgentState {
    /// Before the first round.
    #[default]
    Starting,
    InSync,
    /// Requests that wait for an approval.
    Held(Vec<String>),
    /// The spec is missing or invalid.
    NoSpec,
    /// The number of sessions that have to end first.
    Waiting(usize),
    /// The last failure; it is retried.
    Failed(String),
    /// The last failure; it is not retried before something changes.
    Stuck(String),
    /// Resources that were repaired too often.
    Suspended(String),
    NoEngine,
}

#[derive(Debug, Default)]
struct Row {
    label: String,
    state: AgentState,
    /// The running operations.
    doing: BTreeMap<OpId, String>,
    cause: String,
}

/// The width of the state column.
const WORD: usize = 11;

impl Dashboard {
    pub fn new(labels: impl IntoIterator<Item = String>) -> Self {
        let mut dashboard = Self::default();
        dashboard.add(labels);
        dashboard
    }

    /// Adds agents and returns the index of the first.
    pub fn add(&mut self, labels: impl IntoIterator<Item = String>) -> usize {
        let first = self.rows.len();
        self.rows.extend(labels.into_iter().map(|label| Row { label, ..Row::default() }));
        first
    }

    /// Sets the state of an agent.
    pub fn set_state(&mut self, agent: usize, state: AgentState) {
        if let Some(row) = self.rows.get_mut(agent) {
            row.state = state;
        }
    }

    /// Updates an agent's row for an event.
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

    /// Returns at most `height` lines of at most `width` columns. If not all agents fit, agents in sync are counted
    /// instead of shown.
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
        self.state == AgentState::InSync && self.doing.is_empty()
    }

    fn line(&self, label: usize, width: usize, colour: Colour) -> String {
        let (word, style, rest) = match &self.state {
            _ if !self.doing.is_empty() => {
                let all: Vec<&str> = self.doing.values().map(String::as_str).collect();
                ("working", FAINT, all.join(", ") + because(&self.cause).as_str())
            }
            AgentState::Starting => ("starting", FAINT, String::new()),
            AgentState::InSync => ("in sync", GOOD, self.cause.clone()),
            AgentState::Held(more) => ("held", CARE, format!("{} (`moat approve`)", more.join(", "))),
            AgentState::NoSpec => ("no spec", BAD, "using the previous spec".to_owned()),
            AgentState::Waiting(1) => ("waiting", CARE, "for a session to end".to_owned()),
            AgentState::Waiting(sessions) => ("waiting", CARE, format!("for {sessions} sessions to end")),
            AgentState::Failed(why) => ("failed", BAD, format!("{why}; retrying")),
            AgentState::Stuck(why) => ("given up", BAD, why.clone()),
            AgentState::Suspended(what) => ("backing off", CARE, format!("no repair of {what} for now")),
            AgentState::NoEngine => ("no engine", BAD, "waiting for the engine".to_owned()),
        };
        // Text is shortened before it is coloured: an escape sequence must not be cut.
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

    fn dashboard() -> Dashboard {
        let mut dashboard = Dashboard::new(["a", "builder", "c", "d", "e", "f", "g", "h", "i"].map(str::to_owned));
        let held = vec!["container/main gets access to /etc, outside the spec's folder".to_owned()];
        let all = [
            AgentState::Starting,
            AgentState::InSync,
            AgentState::Held(held),
            AgentState::NoSpec,
            AgentState::Waiting(2),
            AgentState::Failed("no such image".to_owned()),
            AgentState::Stuck("no such image".to_owned()),
            AgentState::Suspended("container/main".to_owned()),
            AgentState::NoEngine,
        ];
        all.into_iter().enumerate().for_each(|(agent, state)| dashboard.set_state(agent, state));
        let run = Run::derive(AgentName::parse("builder").expect("a name"), std::path::Path::new("/b.yaml"));
        dashboard.note(
            1,
            &Event::Woken { run: &run, trigger: &Trigger::File("b\u{1b}.yaml".to_owned()), is_reported: true },
        );
        dashboard
    }

    #[track_caller]
    fn shows(width: usize, height: usize, expected: &Expect) {
        let lines = dashboard().lines(width, height, Colour::Never);
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
            builder  in sync      `b�.yaml` changed
            c        held         container/main gets access to /etc, outside the spec's folder (`moat approve`)
            d        no spec      using the previous spec
            e        waiting      for 2 sessions to end
            f        failed       no such image; retrying
            g        given up     no such image
            h        backing off  no repair of container/main for now
            i        no engine    waiting for the engine
        "]],
        );
    }

    #[test]
    fn a_narrow_terminal_gets_shortened_lines() {
        shows(
            24,
            20,
            &expect![[r"
            a        starting
            builder  in sync      `…
            c        held         c…
            d        no spec      u…
            e        waiting      f…
            f        failed       n…
            g        given up     n…
            h        backing off  n…
            i        no engine    w…
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
        assert_eq!(dashboard().lines(0, 1, Colour::Never), [""]);
    }

    #[test]
    fn a_low_terminal_shows_agents_that_need_attention() {
        shows(
            60,
            4,
            &expect![[r"
            a        starting
            c        held         container/main gets access to /etc, o…
            d        no spec      using the previous spec
            6 more
        "]],
        );
    }

    #[test]
    fn colours_do_not_change_the_layout() {
        let plain = dashboard().lines(24, 20, Colour::Never);
        let painted = dashboard().lines(24, 20, Colour::Always);
        assert!(plain != painted);
        let bare = |line: &String| anstream::adapter::strip_str(line).to_string();
        assert_eq!(painted.iter().map(bare).collect::<Vec<_>>(), plain);
    }
}

//! Draws the dashboard of a watch at the bottom of the screen. Important messages scroll above it.
//!
//! It changes no terminal settings, so that none have to be restored.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::ui::Screen;
use crate::ui::live::dashboard::{AgentState, Dashboard};
use crate::ui::live::watching;
use moat_plan::event::Event;

/// The minimum time between two redraws: faster ones would not be visible.
const REDRAW_EVERY: Duration = Duration::from_millis(50);

/// A dashboard on a screen.
pub struct Display<'a> {
    screen: &'a Screen,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    dashboard: Dashboard,
    last: Option<Instant>,
}

impl<'a> Display<'a> {
    /// Returns `None` if the screen cannot rewrite lines.
    pub fn new(screen: &'a Screen) -> Option<Self> {
        screen.live_size()?;
        Some(Self { screen, state: RefCell::default() })
    }

    /// Adds agents and returns the index of the first.
    pub fn add(&self, labels: impl IntoIterator<Item = String>) -> usize {
        self.state.borrow_mut().dashboard.add(labels)
    }

    pub fn set_state(&self, agent: usize, agent_state: AgentState) {
        let mut state = self.state.borrow_mut();
        state.dashboard.set_state(agent, agent_state);
        state.draw(self.screen);
    }

    /// Shows an event; `agent` is `None` if it concerns all. Important messages scroll above the dashboard.
    pub fn report(&self, agent: Option<usize>, label: Option<&str>, event: &Event<'_>) {
        let mut state = self.state.borrow_mut();
        if let Some(agent) = agent {
            state.dashboard.note(agent, event);
        }
        let text = watching::above(event, self.screen.colour());
        if let Some(text) = text {
            let text = label.map_or(text.clone(), |label| crate::ui::terminal::prefix::labelled(label, &text));
            self.screen.alert(&text);
        } else if matches!(event, Event::Started { .. } | Event::Succeeded { .. }) && state.is_fresh() {
            // The end of the round is always drawn.
            return;
        }
        state.draw(self.screen);
    }
}

impl Drop for Display<'_> {
    fn drop(&mut self) {
        self.screen.leave_live();
    }
}

impl State {
    fn is_fresh(&self) -> bool {
        self.last.is_some_and(|last| last.elapsed() < REDRAW_EVERY)
    }

    fn draw(&mut self, screen: &Screen) {
        let Some((columns, rows)) = screen.live_size() else { return };
        // A line that fills the last column would wrap.
        screen.show_live(self.dashboard.lines(columns.saturating_sub(1), rows, screen.colour()));
        self.last = Some(Instant::now());
    }
}

//! The board of a watch at the end of the screen, and what nobody should miss scrolling by above it.
//!
//! It takes the terminal as it is and changes nothing about it, so that nothing has to be put back.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::ui::Screen;
use crate::ui::live::dashboard::{Dashboard, Stands};
use crate::ui::live::watching;
use moat_plan::event::Event;

/// A terminal need not be written more often than an eye sees.
const REDRAW_EVERY: Duration = Duration::from_millis(50);

/// A board, and where it is shown.
pub struct Display<'a> {
    screen: &'a Screen,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    board: Dashboard,
    last: Option<Instant>,
}

impl<'a> Display<'a> {
    /// `None`: lines cannot be rewritten there.
    pub fn new(screen: &'a Screen, labels: impl IntoIterator<Item = String>) -> Option<Self> {
        screen.live_size()?;
        let state = State { board: Dashboard::new(labels), ..State::default() };
        Some(Self { screen, state: RefCell::new(state) })
    }

    pub fn stands(&self, agent: usize, stands: Stands) {
        let mut state = self.state.borrow_mut();
        state.board.stands(agent, stands);
        state.draw(self.screen);
    }

    /// Takes in what happens; `agent`: to whom, if not to all. What nobody should miss scrolls by above.
    pub fn tell(&self, agent: Option<usize>, label: Option<&str>, event: &Event<'_>) {
        let mut state = self.state.borrow_mut();
        if let Some(agent) = agent {
            state.board.note(agent, event);
        }
        let text = watching::above(event, self.screen.colour());
        if let Some(text) = text {
            let text = label.map_or(text.clone(), |label| crate::ui::terminal::prefix::labelled(label, &text));
            self.screen.alert(&text);
        } else if matches!(event, Event::Started { .. } | Event::Succeeded { .. }) && state.is_fresh() {
            // The end of the round is drawn in any case.
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
        // A line that reaches the last column would wrap.
        screen.show_live(self.board.lines(columns.saturating_sub(1), rows, screen.colour()));
        self.last = Some(Instant::now());
    }
}

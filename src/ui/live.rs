//! A board at the end of the screen: only lines that are different are drawn again, and what is told besides scrolls by
//! above it.
//!
//! It takes the terminal as it is and changes nothing about it, so that nothing has to be put back.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::board::{Board, Stands};
use super::{Screen, watching};
use crate::event::Event;

/// A terminal need not be written more often than an eye sees.
const REDRAW_EVERY: Duration = Duration::from_millis(50);

/// A board, and where it is shown.
pub struct Live<'a> {
    screen: &'a Screen,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    board: Board,
    /// The lines that are on the screen, and how wide it was; the cursor is below the last one.
    drawn: Vec<String>,
    width: usize,
    last: Option<Instant>,
}

impl<'a> Live<'a> {
    /// `None`: lines cannot be rewritten there.
    pub fn new(screen: &'a Screen, labels: impl IntoIterator<Item = String>) -> Option<Self> {
        screen.live_size()?;
        let state = State { board: Board::new(labels), ..State::default() };
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
            let text = label.map_or(text.clone(), |label| super::voice::labelled(label, &text));
            state.clear(self.screen);
            self.screen.alert(&text);
        } else if matches!(event, Event::Started { .. } | Event::Succeeded { .. }) && state.is_fresh() {
            // The end of the round is drawn in any case.
            return;
        }
        state.draw(self.screen);
    }
}

impl State {
    fn is_fresh(&self) -> bool {
        self.last.is_some_and(|last| last.elapsed() < REDRAW_EVERY)
    }

    fn draw(&mut self, screen: &Screen) {
        let Some((columns, rows)) = screen.live_size() else { return };
        // A line that reaches the last column would wrap. The last row is where the cursor is.
        let (width, height) = (columns.saturating_sub(1), rows.saturating_sub(1).max(1));
        let lines = self.board.lines(width, height, screen.colour());
        if width != self.width || lines.len() != self.drawn.len() {
            self.clear(screen);
            self.width = width;
        }
        let text = redraw(&self.drawn, &lines);
        if !text.is_empty() {
            screen.say(&text);
            self.last = Some(Instant::now());
        }
        self.drawn = lines;
    }

    /// Takes the board off the screen. A terminal that has become narrower has broken its lines.
    fn clear(&mut self, screen: &Screen) {
        let columns = screen.live_size().map_or(usize::MAX, |(columns, _)| columns.max(1));
        let length = |line: &String| anstream::adapter::strip_str(line).to_string().chars().count();
        let rows: usize = self.drawn.iter().map(|line| length(line).div_ceil(columns).max(1)).sum();
        if rows > 0 {
            screen.say(&format!("\r\u{1b}[{rows}A\u{1b}[J"));
        }
        self.drawn.clear();
    }
}

/// What turns the lines above the cursor into others, of the same number; or writes the first ones.
fn redraw(before: &[String], after: &[String]) -> String {
    if before.is_empty() {
        return after.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    }
    let changed = before.iter().zip(after).enumerate().filter(|(_, (before, after))| before != after);
    changed.fold(String::new(), |text, (nth, (_, line))| {
        let up = after.len() - nth;
        // Up, written anew, and down to where it was.
        text + &format!("\r\u{1b}[{up}A\u{1b}[K{line}\r\u{1b}[{up}B")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_different_is_drawn_again() {
        let lines = |all: [&str; 3]| all.map(str::to_owned).to_vec();
        assert_eq!(redraw(&[], &lines(["a", "b", "c"])), "a\nb\nc\n");
        assert_eq!(redraw(&lines(["a", "b", "c"]), &lines(["a", "b", "c"])), "");
        assert_eq!(redraw(&lines(["a", "b", "c"]), &lines(["a", "x", "c"])), "\r\u{1b}[2A\u{1b}[Kx\r\u{1b}[2B");
    }
}

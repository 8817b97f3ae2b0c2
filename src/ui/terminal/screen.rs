//! The two streams that text goes to, and what each can show.
//!
//! A reader that has gone away is no error: whoever runs `moat status | head -1` has what they wanted.

use std::cell::RefCell;
use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use super::width;
use crate::ui::Colour;

/// Where text goes.
pub struct Screen {
    out: Sink,
    err: Sink,
    /// Only what went wrong is said.
    quiet: bool,
    /// The lines at the bottom that say what is going on, as they stand there.
    live: RefCell<Vec<String>>,
}

/// When colours are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColourChoice {
    /// On a terminal, unless `NO_COLOR` says otherwise.
    #[default]
    Auto,
    Always,
    Never,
}

/// One stream.
pub struct Sink {
    to: RefCell<Box<dyn Write>>,
    colour: Colour,
    /// `None`: it is no terminal, or one that cannot rewrite a line.
    terminal: Option<Terminal>,
}

/// A terminal, as far as its size goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Terminal {
    /// Of this process, whose user may change its size at any time.
    Own,
    /// Columns.
    Fixed(usize),
}

/// Columns and lines of a terminal that does not tell.
const USUAL_SIZE: (usize, usize) = (80, 24);

impl Screen {
    /// This process's own streams. `logs`: others write to standard error as well, so that no line there can be rewritten.
    pub fn system(choice: ColourChoice, quiet: bool, logs: bool) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let [out_is_terminal, err_is_terminal] = [out.is_terminal(), err.is_terminal()].map(|it| it && !is_dumb());
        let err = Sink::new(Box::new(err), choice.on(err_is_terminal), None);
        let terminal = (err_is_terminal && !logs).then_some(Terminal::Own);
        Self::of(Sink::new(Box::new(out), choice.on(out_is_terminal), None), Sink { terminal, ..err }, quiet)
    }

    /// Streams of the caller's.
    pub fn of(out: Sink, err: Sink, quiet: bool) -> Self {
        Self { out, err, quiet, live: RefCell::default() }
    }

    /// Writes what was asked for.
    ///
    /// # Errors
    /// If it cannot be written, for any other reason than that nobody reads it.
    pub fn data(&self, text: &str) -> io::Result<()> {
        match self.out.write(text) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    /// As [`Screen::data`], for what has no end of its own: gives whether anybody reads on.
    ///
    /// # Errors
    /// If it cannot be written, for any other reason than that nobody reads it.
    pub fn flows(&self, text: &str) -> io::Result<bool> {
        match self.out.write(text) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true),
        }
    }

    /// Whether only what went wrong is said.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// As [`Screen::flows`], of bytes that stay as they are.
    ///
    /// # Errors
    /// If they cannot be written, for any other reason than that nobody reads them.
    pub fn raw(&self, bytes: &[u8]) -> io::Result<bool> {
        match self.out.write_bytes(bytes) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true),
        }
    }

    /// Tells how things go.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.alert(text);
        }
    }

    /// Tells what nobody should miss. If even standard error is gone there is nobody left to tell.
    pub fn alert(&self, text: &str) {
        let live = self.live.borrow();
        // One write, so that nothing flickers.
        let _ = self.err.write(&format!("{}{text}{}", self.erased(&live), drawn(&live)));
    }

    /// Replaces the lines at the bottom that say what is going on. Each has to be shorter than the terminal is wide: one
    /// that reaches the last column would wrap, and could not be rewritten.
    pub fn show_live(&self, lines: Vec<String>) {
        let mut live = self.live.borrow_mut();
        if *live != lines {
            let text = self.rewritten(&live, &lines).unwrap_or_else(|| self.erased(&live) + &drawn(&lines));
            let _ = self.err.write(&text);
            *live = lines;
        }
    }

    /// Those lines stay where they are, and what comes next begins below them.
    pub fn leave_live(&self) {
        if !std::mem::take(&mut *self.live.borrow_mut()).is_empty() {
            let _ = self.err.write("\n");
        }
    }

    /// Whether there are such lines now.
    pub fn is_live(&self) -> bool {
        !self.live.borrow().is_empty()
    }

    /// Of the stream for data.
    pub fn data_colour(&self) -> Colour {
        self.out.colour
    }

    /// Of the stream for all else.
    pub fn colour(&self) -> Colour {
        self.err.colour
    }

    /// Goes to the first of the lines that are there, and clears all from it on.
    fn erased(&self, live: &[String]) -> String {
        let (columns, _) = self.live_size().unwrap_or(USUAL_SIZE);
        match live.iter().map(|line| rows(line, columns)).sum() {
            0 => String::new(),
            1 => "\r\u{1b}[J".to_owned(),
            more => format!("\r\u{1b}[{}A\u{1b}[J", more - 1),
        }
    }

    /// What makes lines of those that are there, and touches only those that are different; `None`: there are more or
    /// fewer of them, or they have wrapped.
    fn rewritten(&self, live: &[String], lines: &[String]) -> Option<String> {
        let (columns, _) = self.live_size()?;
        if live.len() != lines.len() || live.iter().any(|line| rows(line, columns) > 1) {
            return None;
        }
        let last = lines.len().saturating_sub(1);
        let changed = live.iter().zip(lines).enumerate().filter(|(_, (before, after))| before != after);
        Some(changed.map(|(nth, (_, line))| rewritten_above(last - nth, line)).collect())
    }

    /// Columns and lines in which lines can be rewritten; `None`: they stay as they are.
    pub fn live_size(&self) -> Option<(usize, usize)> {
        let (columns, lines) = match self.err.terminal.filter(|_| !self.quiet)? {
            Terminal::Fixed(columns) => (columns, USUAL_SIZE.1),
            Terminal::Own => tcgetwinsize(io::stderr())
                .map_or(USUAL_SIZE, |size| (usize::from(size.ws_col), usize::from(size.ws_row))),
        };
        // A terminal without a size is one that does not tell.
        Some(if columns == 0 || lines == 0 { USUAL_SIZE } else { (columns, lines) })
    }
}

/// How many lines of a terminal a text takes that may have become too long for it: terminals wrap what stands on them
/// when they are made narrower.
fn rows(line: &str, columns: usize) -> usize {
    let mut is_shown = true;
    let shown = line.chars().filter(|c| match (*c, is_shown) {
        ('\u{1b}', _) => {
            is_shown = false;
            false
        }
        ('m', false) => {
            is_shown = true;
            false
        }
        (_, is_shown) => is_shown,
    });
    width::rows(shown, columns)
}

/// The line that is so many above the cursor, written anew; the cursor ends where it was, but for its column.
fn rewritten_above(up: usize, line: &str) -> String {
    match up {
        0 => format!("\r\u{1b}[K{line}"),
        _ => format!("\u{1b}[{up}A\r\u{1b}[K{line}\r\u{1b}[{up}B"),
    }
}

/// Without a line feed behind the last one, which on the last line of a terminal would move all others.
fn drawn(live: &[String]) -> String {
    live.join("\n")
}

impl Sink {
    /// `width`: columns of a terminal; `None`: it is none.
    pub fn new(to: Box<dyn Write>, colour: Colour, width: Option<usize>) -> Self {
        Self { to: RefCell::new(to), colour, terminal: width.map(Terminal::Fixed) }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        self.write_bytes(text.as_bytes())
    }

    fn write_bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut to = self.to.borrow_mut();
        to.write_all(bytes)?;
        to.flush()
    }
}

impl ColourChoice {
    fn on(self, terminal: bool) -> Colour {
        // https://no-color.org: any text that is not empty.
        let refused = || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self {
            Self::Always => Colour::Always,
            Self::Auto if terminal && !refused() => Colour::Always,
            Self::Auto | Self::Never => Colour::Never,
        }
    }
}

fn is_dumb() -> bool {
    env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_as_many_rows_as_are_seen_of_it() {
        let table = [
            ("", 10, 1),
            ("123456789", 10, 1),
            ("1234567890", 10, 1),
            ("12345678901", 10, 2),
            ("123", 1, 3),
            ("例え例え例え", 10, 2),
        ];
        for (line, columns, expected) in table {
            assert_eq!(rows(line, columns), expected, "{line} in {columns}");
            assert_eq!(rows(&format!("\u{1b}[2m{line}\u{1b}[0m"), columns), expected, "{line} in {columns}, faint");
        }
    }

    #[test]
    fn only_what_is_different_is_drawn_again() {
        let screen = |columns| {
            let sink = |columns| Sink::new(Box::new(io::sink()), Colour::Never, columns);
            Screen::of(sink(None), sink(Some(columns)), false)
        };
        let lines = |all: &[&str]| all.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let before = lines(&["a", "b", "c"]);
        let rewritten = |after: &[&str]| screen(10).rewritten(&before, &lines(after));
        assert_eq!(rewritten(&["a", "b", "c"]).as_deref(), Some(""));
        assert_eq!(rewritten(&["x", "b", "y"]).as_deref(), Some("\u{1b}[2A\r\u{1b}[Kx\r\u{1b}[2B\r\u{1b}[Ky"));
        assert_eq!(rewritten(&["a", "b"]), None);
        // What has wrapped since takes more rows than it has lines.
        assert_eq!(screen(2).rewritten(&lines(&["abc"]), &lines(&["d"])), None);
    }
}

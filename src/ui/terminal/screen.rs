//! The output streams and their capabilities.
//!
//! A closed pipe is not an error: the reader of `moat status | head -1` has all the lines it needs.

use std::cell::RefCell;
use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use super::width;
use crate::ui::Colour;

/// The output streams.
pub struct Screen {
    out: Sink,
    err: Sink,
    /// Only important messages are printed.
    quiet: bool,
    /// The live lines at the bottom, as displayed.
    live: RefCell<Vec<String>>,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColourChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// One stream.
pub struct Sink {
    to: RefCell<Box<dyn Write>>,
    colour: Colour,
    /// `None` if it is not a terminal, or cannot rewrite lines.
    terminal: Option<Terminal>,
}

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Terminal {
    /// The terminal of this process, whose size can change at any time.
    Own,
    /// A fixed number of columns.
    Fixed(usize),
}

/// Columns and lines of a terminal that does not report its size.
const USUAL_SIZE: (usize, usize) = (80, 24);

impl Screen {
    /// Uses the streams of this process. With `logs`, log messages also go to standard error, so that lines there cannot be
    /// rewritten.
    pub fn system(choice: ColourChoice, quiet: bool, logs: bool) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let [out_is_terminal, err_is_terminal] = [out.is_terminal(), err.is_terminal()].map(|it| it && !is_dumb());
        let err = Sink::new(Box::new(err), choice.on(err_is_terminal), None);
        let terminal = (err_is_terminal && !logs).then_some(Terminal::Own);
        Self::of(Sink::new(Box::new(out), choice.on(out_is_terminal), None), Sink { terminal, ..err }, quiet)
    }

    /// Uses the given streams.
    pub fn of(out: Sink, err: Sink, quiet: bool) -> Self {
        Self { out, err, quiet, live: RefCell::default() }
    }

    /// Writes data to standard output.
    ///
    /// # Errors
    /// Write errors other than a closed pipe.
    pub fn data(&self, text: &str) -> io::Result<()> {
        match self.out.write(text) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    /// As [`Screen::data`], for endless output: returns false if the pipe is closed.
    ///
    /// # Errors
    /// Write errors other than a closed pipe.
    pub fn write_stream(&self, text: &str) -> io::Result<bool> {
        match self.out.write(text) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true),
        }
    }

    /// Whether only important messages are printed.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// As [`Screen::write_stream`], for raw bytes.
    ///
    /// # Errors
    /// Write errors other than a closed pipe.
    pub fn raw(&self, bytes: &[u8]) -> io::Result<bool> {
        match self.out.write_bytes(bytes) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true),
        }
    }

    /// Prints progress, unless quiet.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.alert(text);
        }
    }

    /// Prints an important message. Write errors are ignored: no other stream is left to report them.
    pub fn alert(&self, text: &str) {
        let live = self.live.borrow();
        // A single write avoids flicker.
        let _ = self.err.write(&format!("{}{text}{}", self.erased(&live), drawn(&live)));
    }

    /// Replaces the live lines. Each must be narrower than the terminal: a line that fills the last column would wrap and
    /// could not be rewritten.
    pub fn show_live(&self, lines: Vec<String>) {
        let mut live = self.live.borrow_mut();
        if *live != lines {
            let text = self.rewritten(&live, &lines).unwrap_or_else(|| self.erased(&live) + &drawn(&lines));
            let _ = self.err.write(&text);
            *live = lines;
        }
    }

    /// Leaves the live lines on the screen; further output starts below them.
    pub fn leave_live(&self) {
        if !std::mem::take(&mut *self.live.borrow_mut()).is_empty() {
            let _ = self.err.write("\n");
        }
    }

    /// Whether live lines are displayed.
    pub fn is_live(&self) -> bool {
        !self.live.borrow().is_empty()
    }

    /// Whether standard output has colours.
    pub fn data_colour(&self) -> Colour {
        self.out.colour
    }

    /// Whether standard error has colours.
    pub fn colour(&self) -> Colour {
        self.err.colour
    }

    /// Returns the sequence that moves to the first live line and clears the screen from there.
    fn erased(&self, live: &[String]) -> String {
        let (columns, _) = self.live_size().unwrap_or(USUAL_SIZE);
        match live.iter().map(|line| rows(line, columns)).sum() {
            0 => String::new(),
            1 => "\r\u{1b}[J".to_owned(),
            more => format!("\r\u{1b}[{}A\u{1b}[J", more - 1),
        }
    }

    /// Returns the sequence that updates only the changed live lines; `None` if their number changed or they wrapped.
    fn rewritten(&self, live: &[String], lines: &[String]) -> Option<String> {
        let (columns, _) = self.live_size()?;
        if live.len() != lines.len() || live.iter().any(|line| rows(line, columns) > 1) {
            return None;
        }
        let last = lines.len().saturating_sub(1);
        let changed = live.iter().zip(lines).enumerate().filter(|(_, (before, after))| before != after);
        Some(changed.map(|(nth, (_, line))| rewritten_above(last - nth, line)).collect())
    }

    /// Returns the columns and lines for live lines; `None` if lines cannot be rewritten.
    pub fn live_size(&self) -> Option<(usize, usize)> {
        let (columns, lines) = match self.err.terminal.filter(|_| !self.quiet)? {
            Terminal::Fixed(columns) => (columns, USUAL_SIZE.1),
            Terminal::Own => tcgetwinsize(io::stderr())
                .map_or(USUAL_SIZE, |size| (usize::from(size.ws_col), usize::from(size.ws_row))),
        };
        // A size of zero means that it is unknown.
        Some(if columns == 0 || lines == 0 { USUAL_SIZE } else { (columns, lines) })
    }
}

/// Returns the rows that a line takes. Terminals wrap existing lines when they become narrower.
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

/// Returns the sequence that rewrites the line `up` rows above the cursor; the cursor returns to its row.
fn rewritten_above(up: usize, line: &str) -> String {
    match up {
        0 => format!("\r\u{1b}[K{line}"),
        _ => format!("\u{1b}[{up}A\r\u{1b}[K{line}\r\u{1b}[{up}B"),
    }
}

/// Joins live lines without a final line feed, which would scroll on the last row of a terminal.
fn drawn(live: &[String]) -> String {
    live.join("\n")
}

impl Sink {
    /// `width` is the number of columns; `None` if it is not a terminal.
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
        // https://no-color.org: any value that is not empty.
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
    fn escape_sequences_take_no_columns() {
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
    fn only_changed_lines_are_redrawn() {
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
        // A wrapped line takes more than one row.
        assert_eq!(screen(2).rewritten(&lines(&["abc"]), &lines(&["d"])), None);
    }
}

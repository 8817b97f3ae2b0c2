//! The two streams that text goes to, and what each can show.
//!
//! A reader that has gone away is no error: whoever runs `moat status | head -1` has what they wanted.

use std::cell::RefCell;
use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use super::Colour;

/// Where text goes.
pub struct Screen {
    out: Sink,
    err: Sink,
    /// Only what went wrong is said.
    quiet: bool,
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
    /// Columns of the terminal that it is; `None`: it is none, or one that cannot rewrite a line.
    width: Option<usize>,
    /// It is this process's own, whose size can be asked for again.
    own: bool,
}

/// Columns and rows of a terminal that does not tell.
const USUAL_WIDTH: usize = 80;
const USUAL_HEIGHT: usize = 24;

impl Screen {
    /// This process's own streams.
    pub fn system(choice: ColourChoice, quiet: bool) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let [out_is_terminal, err_is_terminal] = [out.is_terminal(), err.is_terminal()].map(|it| it && !is_dumb());
        let width = tcgetwinsize(&err).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
        let width = width.unwrap_or(USUAL_WIDTH);
        Self {
            out: Sink::new(Box::new(out), choice.on(out_is_terminal), None),
            err: Sink {
                own: true,
                ..Sink::new(Box::new(err), choice.on(err_is_terminal), err_is_terminal.then_some(width))
            },
            quiet,
        }
    }

    /// Streams of the caller's.
    pub fn of(out: Sink, err: Sink, quiet: bool) -> Self {
        Self { out, err, quiet }
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

    /// Tells how things go.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.alert(text);
        }
    }

    /// Tells what nobody should miss. If even standard error is gone there is nobody left to tell.
    pub fn alert(&self, text: &str) {
        let _ = self.err.write(text);
    }

    /// Of the stream for data.
    pub fn data_colour(&self) -> Colour {
        self.out.colour
    }

    /// Of the stream for all else.
    pub fn colour(&self) -> Colour {
        self.err.colour
    }

    /// Columns in which a line can be rewritten; `None`: lines stay as they are.
    pub fn live_width(&self) -> Option<usize> {
        self.err.width.filter(|_| !self.quiet)
    }

    /// Columns and rows as they are now, where lines can be rewritten: a window may have another size by now.
    pub fn live_size(&self) -> Option<(usize, usize)> {
        let width = self.live_width()?;
        let now = if self.err.own { tcgetwinsize(io::stderr()).ok() } else { None };
        let now = now.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
        Some(now.filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or((width, USUAL_HEIGHT)))
    }
}

impl Sink {
    pub fn new(to: Box<dyn Write>, colour: Colour, width: Option<usize>) -> Self {
        Self { to: RefCell::new(to), colour, width, own: false }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut to = self.to.borrow_mut();
        to.write_all(text.as_bytes())?;
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

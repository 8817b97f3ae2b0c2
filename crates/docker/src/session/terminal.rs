//! The user's terminal: its size, and raw mode while keys are passed to another terminal.

use std::io;

use rustix::fd::BorrowedFd;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

/// In rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
}

/// A terminal in raw mode. Restores the previous mode on drop, also in a panic.
pub(crate) struct RawMode<'fd> {
    terminal: BorrowedFd<'fd>,
    before: Termios,
}

impl<'fd> RawMode<'fd> {
    /// Enters raw mode; `None` if it is not a terminal.
    ///
    /// # Errors
    /// If the mode cannot be set.
    pub(crate) fn enter(terminal: BorrowedFd<'fd>) -> io::Result<Option<Self>> {
        if !isatty(terminal) {
            return Ok(None);
        }
        let before = tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(terminal, OptionalActions::Now, &raw)?;
        Ok(Some(Self { terminal, before }))
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        // If this fails, the terminal is gone.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

/// The size of a terminal; `None` if it is not a terminal or its size is unknown.
pub(crate) fn size(terminal: BorrowedFd<'_>) -> Option<Size> {
    let size = tcgetwinsize(terminal).ok()?;
    let size = Size { rows: size.ws_row, columns: size.ws_col };
    (size.rows > 0 && size.columns > 0).then_some(size)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::os::fd::AsFd;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{LocalModes, Winsize, tcsetwinsize};

    use super::*;

    /// A pseudoterminal: the master, which keeps it open, and the slave.
    fn terminal() -> (rustix::fd::OwnedFd, File) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("a name");
        let slave = OpenOptions::new().read(true).write(true).open(name.to_str().expect("a path")).expect("open");
        (master, slave)
    }

    fn echoes(terminal: &File) -> bool {
        tcgetattr(terminal).expect("a terminal").local_modes.contains(LocalModes::ECHO)
    }

    #[test]
    fn raw_mode_is_reset_on_drop() {
        let (_master, slave) = terminal();
        assert!(echoes(&slave));
        {
            let _raw = RawMode::enter(slave.as_fd()).expect("raw").expect("a terminal");
            assert!(!echoes(&slave));
        }
        assert!(echoes(&slave));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _raw = RawMode::enter(slave.as_fd()).expect("raw").expect("a terminal");
            panic!("on purpose");
        }));
        assert!(panicked.is_err() && echoes(&slave));
    }

    #[test]
    fn only_a_terminal_has_a_size_and_raw_mode() {
        let (_master, slave) = terminal();
        assert_eq!(size(slave.as_fd()), None, "not set yet");
        tcsetwinsize(&slave, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).expect("set");
        assert_eq!(size(slave.as_fd()), Some(Size { rows: 24, columns: 80 }));
        let file = tempfile::tempfile().expect("a file");
        assert!(RawMode::enter(file.as_fd()).expect("nothing to do").is_none());
        assert_eq!(size(file.as_fd()), None);
    }
}

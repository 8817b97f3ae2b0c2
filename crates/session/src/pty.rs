//! The terminal of a session.

use std::io;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::process::{Signal, kill_process_group};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetpgrp, tcgetwinsize, tcsetwinsize};
use tokio::io::unix::AsyncFd;

use crate::frame::Size;

/// The holder's side.
pub(crate) struct Terminal(AsyncFd<OwnedFd>);

/// Opens a terminal: the holder's side, and the command's.
pub(crate) fn terminal() -> io::Result<(Terminal, OwnedFd)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = open(ptsname(&ours, Vec::new())?, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    fcntl_setfl(&ours, fcntl_getfl(&ours)? | OFlags::NONBLOCK)?;
    #[expect(
        deprecated,
        reason = "its successor is unsafe, for types that may give another descriptor; `OwnedFd` does not"
    )]
    let terminal = Terminal(AsyncFd::new(ours)?);
    Ok((terminal, theirs))
}

impl Terminal {
    /// Reads output. An error is the end: every process has closed the terminal.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut guard = self.0.readable().await?;
            if let Ok(read) = guard.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut *buffer)?)) {
                return read;
            }
        }
    }

    /// Writes input, and waits while the command does not read it.
    pub(crate) async fn write(&self, mut piece: &[u8]) -> io::Result<()> {
        while !piece.is_empty() {
            let mut guard = self.0.writable().await?;
            if let Ok(written) = guard.try_io(|fd| Ok(rustix::io::write(fd.get_ref(), piece)?)) {
                piece = &piece[written?..];
            }
        }
        Ok(())
    }

    /// Sets the size, and notifies the command.
    pub(crate) fn resize(&self, size: Size) -> io::Result<()> {
        if size.rows == 0 || size.columns == 0 {
            return Ok(());
        }
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.0, size)?)
    }

    /// Sets the size, and tells the command even if it is the same: so programs draw their screen for a new client.
    pub(crate) fn redraw(&self, size: Size) -> io::Result<()> {
        let fd = self.0.as_fd();
        let before = tcgetwinsize(fd)?;
        if (before.ws_row, before.ws_col) != (size.rows, size.columns) && size != Size::default() {
            return self.resize(size);
        }
        Ok(kill_process_group(tcgetpgrp(fd)?, Signal::WINCH)?)
    }
}

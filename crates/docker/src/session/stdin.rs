//! This process's standard input as a channel.
//!
//! A separate thread reads it, not the runtime's pool: a read that waits for a key cannot be cancelled, and the runtime
//! would wait for it on shutdown. The thread ends with the input or with the process.

use std::io::{self, Read};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::exec::CHUNK;
use crate::{Docker, IntoContainer};

/// Chunks buffered for a slow reader.
const BACKLOG: usize = 8;

/// Starts to read; the channel closes with the input.
pub(crate) fn chunks() -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    thread::spawn(move || forward(io::stdin().lock(), &sender));
    receiver
}

impl Docker {
    /// This process's standard input, as an archive for [`Docker::unpack`].
    pub fn archive_on_stdin(&self) -> IntoContainer {
        chunks()
    }
}

fn forward(mut input: impl Read, sender: &mpsc::Sender<Bytes>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if sender.blocking_send(Bytes::copy_from_slice(&buffer[..count])).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

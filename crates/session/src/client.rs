//! An attached client, on the holder's side.

use std::io;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;

use crate::frame::{Frame, Size};

/// Frames that wait for a client: with [`Frame`]'s limit at most half a megabyte.
const QUEUE: usize = 16;

/// What clients tell the holder.
pub(crate) enum Event {
    Joined(Client),
    Resized(Size),
    Left(u64),
}

/// A client that has told its size.
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) size: Size,
    pub(crate) frames: mpsc::Sender<Bytes>,
}

/// Serves a connection to its end. Input goes to the terminal directly, so that a command that does not read its input
/// blocks nothing else. Returns whether the client got the last frame.
pub(crate) async fn serve(
    stream: UnixStream,
    id: u64,
    events: mpsc::Sender<Event>,
    input: mpsc::Sender<Bytes>,
) -> bool {
    let (mut from, to) = stream.into_split();
    // A connection without a size only asks whether the holder is there.
    let Ok(Some(Frame::Size(size))) = Frame::read(&mut from).await else { return false };
    let (frames, queue) = mpsc::channel(QUEUE);
    if events.send(Event::Joined(Client { id, size, frames })).await.is_err() {
        return false;
    }
    let reads = async {
        loop {
            let passed = match Frame::read(&mut from).await {
                Ok(Some(Frame::Data(piece))) => input.send(piece).await.is_ok(),
                Ok(Some(Frame::Size(size))) => events.send(Event::Resized(size)).await.is_ok(),
                _ => return,
            };
            if !passed {
                // The session ends; the client gets the last frames.
                std::future::pending::<()>().await;
            }
        }
    };
    let told = tokio::select! {
        written = write(to, queue) => written.is_ok(),
        () = reads => false,
    };
    // The holder may have ended.
    let _ = events.send(Event::Left(id)).await;
    told
}

async fn write(mut to: OwnedWriteHalf, mut queue: mpsc::Receiver<Bytes>) -> io::Result<()> {
    while let Some(frame) = queue.recv().await {
        to.write_all(&frame).await?;
    }
    to.shutdown().await
}

//! The bridge between a client's streams and a holder's socket.

use std::path::Path;

use tokio::io::{AsyncWriteExt, copy, stdin, stdout};
use tokio::net::UnixStream;

use crate::error::SessionError;
use crate::store::Store;

/// Copies bytes between the streams of this process and a session, to the end of either.
///
/// # Errors
/// If there is no such session, or a stream fails.
pub async fn bridge(sessions: &Path, name: &str) -> Result<(), SessionError> {
    let socket = Store::open(sessions)?.socket(name)?;
    let stream = UnixStream::connect(socket).await.map_err(|_| SessionError::NotRunning(name.to_owned()))?;
    let (mut from, mut to) = stream.into_split();
    let (mut input, mut output) = (stdin(), stdout());
    tokio::select! {
        done = copy(&mut from, &mut output) => done.map(drop)?,
        done = copy(&mut input, &mut to) => done.map(drop)?,
    }
    Ok(output.flush().await?)
}

/// Notes that a client was told of the end of a session.
///
/// # Errors
/// If its record cannot be written.
pub fn mark_seen(sessions: &Path, name: &str) -> Result<(), SessionError> {
    let store = Store::open(sessions)?;
    match store.read(name)? {
        Some(mut facts) if facts.ended.is_some() || !store.answers(name) => {
            facts.seen = true;
            store.write(&facts)
        }
        _ => Ok(()),
    }
}

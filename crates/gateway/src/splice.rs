//! Copies bytes between two connections.
//!
//! A connection without traffic holds no buffer. Busy ones share a limited number of large buffers; when these are taken,
//! a small one has to do. So memory is bounded even if thousands of connections stall.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until};

/// The bytes of a connection in each direction.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    sent: AtomicU64,
    received: AtomicU64,
}

/// How a copy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Idle,
    Broken,
}

/// The shared buffers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Free>>);

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Box<[u8]>>,
    made: usize,
}

struct Buffer {
    bytes: Box<[u8]>,
    pool: Option<Buffers>,
}

/// The last time a byte passed, in milliseconds since the start.
struct Activity {
    start: Instant,
    last: AtomicU64,
}

/// Enough for the throughput of a loopback interface.
const LARGE: usize = 128 * 1024;

/// 8 MiB in large buffers. Only connections that move bytes at this moment need one.
const LARGE_MAX: usize = 64;

/// For connections beyond that.
const SMALL: usize = 4 * 1024;

impl Traffic {
    pub fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn add_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// Copies in both directions until both are closed, one breaks, or nothing passes for `idle`.
pub(crate) async fn splice(
    client: &mut TcpStream,
    server: &mut TcpStream,
    traffic: &Traffic,
    buffers: &Buffers,
    idle: Duration,
) -> End {
    let activity = Activity { start: Instant::now(), last: AtomicU64::new(0) };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let both = async {
        tokio::try_join!(
            pump(&mut from_client, &mut to_server, &traffic.sent, &activity, buffers),
            pump(&mut from_server, &mut to_client, &traffic.received, &activity, buffers),
        )
    };
    tokio::select! {
        biased;
        ended = both => if ended.is_ok() { End::Closed } else { End::Broken },
        () = activity.stops(idle) => End::Idle,
    }
}

async fn pump(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    count: &AtomicU64,
    activity: &Activity,
    buffers: &Buffers,
) -> io::Result<()> {
    loop {
        from.readable().await?;
        let mut buffer = buffers.take();
        match from.try_read(&mut buffer) {
            Ok(0) => return to.shutdown().await,
            Ok(length) => {
                to.write_all(&buffer[..length]).await?;
                count.fetch_add(length as u64, Ordering::Relaxed);
                activity.touch();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

impl Activity {
    fn touch(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    async fn stops(&self, idle: Duration) {
        loop {
            let last = self.start + Duration::from_millis(self.last.load(Ordering::Relaxed));
            if last.elapsed() >= idle {
                return;
            }
            sleep_until(last + idle).await;
        }
    }
}

impl Buffers {
    fn take(&self) -> Buffer {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = Some(self.clone());
        if let Some(bytes) = free.buffers.pop() {
            return Buffer { bytes, pool };
        }
        if free.made == LARGE_MAX {
            return Buffer { bytes: vec![0; SMALL].into(), pool: None };
        }
        free.made += 1;
        Buffer { bytes: vec![0; LARGE].into(), pool }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            let bytes = std::mem::take(&mut self.bytes);
            pool.0.lock().unwrap_or_else(PoisonError::into_inner).buffers.push(bytes);
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_are_limited_and_come_back() {
        let buffers = Buffers::default();
        let taken: Vec<Buffer> = (0..=LARGE_MAX).map(|_| buffers.take()).collect();
        assert_eq!(taken.iter().filter(|buffer| buffer.len() == LARGE).count(), LARGE_MAX);
        drop(taken);
        assert_eq!(buffers.take().len(), LARGE);
        assert_eq!(buffers.0.lock().unwrap().buffers.len(), LARGE_MAX);
    }
}

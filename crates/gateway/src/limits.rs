//! Deadlines and limits of a gateway. Everything is bounded: a program in the sandbox can open connections at will.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limits of one gateway. The defaults are for use; tests have smaller ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections to the outside at a time. A further one is refused.
    pub connections: usize,
    /// Connections to published ports at a time. Apart, so that the sandbox cannot lock its user out.
    pub relayed: usize,
    /// DNS queries over UDP at a time. A further one is dropped; clients ask again.
    pub queries: usize,
    /// The time for a TLS hello, or for the header of an HTTP request.
    pub hello: Duration,
    /// The time for resolving a name and connecting.
    pub connect: Duration,
    /// The time without a byte in either direction.
    pub idle: Duration,
    /// The time that connections have to end when the gateway stops.
    pub grace: Duration,
    /// The pause after a failure to accept a connection, such as a full table of files.
    pub accept_pause: Duration,
    /// Bytes of a TLS hello.
    pub hello_bytes: usize,
    /// Bytes of the header of an HTTP request.
    pub header_bytes: usize,
    /// Bytes of one file of the log. There are two.
    pub log_bytes: u64,
}

/// An agent that runs builds and downloads has tens; 1,000 idle ones must fit. With two files and at most 32 KiB for a
/// header each, a full table stays below 64 MiB.
const CONNECTIONS: usize = 2048;

/// A browser opens six to a host.
const RELAYED: usize = 512;

/// Each takes microseconds, unless it asks the engine for a container's address.
const QUERIES: usize = 256;

/// A hello needs one round trip on a local network. A client that needs more than this is slow on purpose.
const HELLO: Duration = Duration::from_secs(10);

/// Two retries of a DNS query and three of a TCP connection, which Linux sends after 1, 3 and 7 seconds.
const CONNECT: Duration = Duration::from_secs(15);

/// Database clients and streams of events are silent for long, but a dead peer must not hold its place for ever.
const IDLE: Duration = Duration::from_secs(3600);

/// Docker kills a container 10 seconds after it asked it to stop.
const GRACE: Duration = Duration::from_secs(3);

/// Long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The largest TLS record. A hello with post-quantum keys has 2 KB.
const HELLO_BYTES: usize = 16 * 1024;

/// Servers accept 8 to 32 KiB.
const HEADER_BYTES: usize = 32 * 1024;

/// Some 20,000 entries; twice that is kept.
const LOG_BYTES: u64 = 4 * 1024 * 1024;

/// Listeners, the log, the control socket, resolvers and the runtime.
const OTHER_FILES: u64 = 128;

/// A connection has a client and a server.
const FILES_FOR_EACH: u64 = 2;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            relayed: RELAYED,
            queries: QUERIES,
            hello: HELLO,
            connect: CONNECT,
            idle: IDLE,
            grace: GRACE,
            accept_pause: ACCEPT_PAUSE,
            hello_bytes: HELLO_BYTES,
            header_bytes: HEADER_BYTES,
            log_bytes: LOG_BYTES,
        }
    }
}

impl Limits {
    /// The defaults, reduced to what the process can open. Raises its limit of open files as far as possible.
    pub fn of_this_process() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        let files = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
        Self::default().within(files.unwrap_or(u64::MAX))
    }

    /// These limits for a number of open files: four fifths of the connections lead outside.
    #[must_use]
    pub fn within(self, files: u64) -> Self {
        let pairs = usize::try_from(files.saturating_sub(OTHER_FILES) / FILES_FOR_EACH).unwrap_or(usize::MAX);
        let relayed = self.relayed.min(pairs / 5);
        Self { relayed, connections: self.connections.min(pairs - relayed), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_of_files_reduces_the_tables() {
        let limits = Limits::default().within(1024);
        assert_eq!((limits.connections, limits.relayed), (359, 89));
        assert!(2 * (limits.connections + limits.relayed) as u64 + OTHER_FILES <= 1024);
        assert_eq!(Limits::default().within(u64::MAX), Limits::default());
        assert_eq!(Limits::default().within(10).connections, 0);
    }
}

//! A gateway between real sockets on loopback: a client, a recording name server, and servers of an "internet" whose
//! public addresses a test dialler maps to loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod dns;
mod http;
mod limits;
mod ports;
mod rules;
mod servers;
mod tls;
mod world;

//! A gateway between real sockets on loopback: a client, a recording name server, and servers of an "internet" whose
//! public addresses a test dialler maps to loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod agent;
mod clients;
mod dns;
mod grants;
mod http;
mod limits;
mod origin;
mod ports;
mod pulls;
mod rules;
mod servers;
mod tls;
mod world;

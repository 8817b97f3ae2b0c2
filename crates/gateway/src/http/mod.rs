//! HTTP on port 80: every request of a connection is checked by its host, and passed on to the server of that name.

mod body;
mod connection;
mod forward;
mod host;
mod refuse;

pub(crate) use connection::serve;

//! Requests to an engine and the interpretation of its answers, against a fake engine on a socket.

mod attached;
mod builds;
mod calls;
mod connecting;
mod fake;
mod podman;
mod pulls;
mod secrets;

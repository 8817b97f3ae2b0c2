//! What goes over the wire to an engine, and what is made of whatever comes back: against a fake engine on a socket.

mod attached;
mod builds;
mod calls;
mod connecting;
mod fake;
mod podman;
mod pulls;
mod secrets;

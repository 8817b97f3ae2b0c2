//! The engine's own BuildKit: the session of a build, and its progress.
//!
//! A build is one `POST /build?version=2`. A session is a connection over which BuildKit calls back for the files of the
//! context, secrets and credentials. A build that needs none of them has no session.

mod files;
pub(crate) mod frontend;
mod grpc;
pub(crate) mod log;
mod messages;
mod services;
pub(crate) mod session;
pub(crate) mod trace;

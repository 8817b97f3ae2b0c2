//! HTTP on port 80: every request of a connection is checked by its host, and passed on to the server of that name.
//!
//! The agent plane uses the parts that do not depend on the port.

mod body;
mod connection;
mod forward;
mod host;
mod refuse;
mod unread;
mod upgrade;

pub(crate) use body::{Body, Counted};
pub(crate) use connection::serve;
pub(crate) use forward::{is_upgrade, strip};
pub(crate) use refuse::{answer, no_answer, no_connection, placeholder, ready};
pub(crate) use unread::RequestBody;
pub(crate) use upgrade::Upgrade;

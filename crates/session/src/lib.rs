//! Sessions of commands that outlive their terminal.
//!
//! A holder runs in the container, as the user of the command. It owns the command's terminal, keeps the end of the
//! output, and listens on a socket that only this user and root can reach. A bridge, started for each attached client,
//! copies bytes between its own streams and the socket. The client outside speaks to the holder in [`Frame`]s; what
//! it receives are bytes for a terminal and the code of the end, and nothing that it acts on.

mod bridge;
mod child;
mod client;
mod error;
mod facts;
mod frame;
mod holder;
mod install;
pub mod layout;
mod name;
mod pty;
mod scrollback;
mod store;

pub use bridge::{bridge, mark_seen};
pub use child::become_command;
pub use error::SessionError;
pub use facts::{Ended, Facts, Session, State};
pub use frame::{Frame, Size};
pub use holder::{Start, hold};
pub use install::install;
pub use name::is_name;
pub use store::list;

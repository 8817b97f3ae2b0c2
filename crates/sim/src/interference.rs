//! Interference: changes to an engine by other users, as data.
//!
//! Used by tests and fault schedules, executed by the simulator. moat itself never does any of this.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An engine that accepts interference.
pub trait Interferer {
    /// Applies the interference before it returns, if it is possible now.
    fn interfere(&self, interference: &Interference);

    /// Stops the engine with all containers, and starts it again after `down`.
    fn restart_engine(&self, down: Duration);

    /// Drops all events for the duration of `quiet`; connections stay open.
    fn lose_events(&self, quiet: Duration);
}

/// One change by another user.
///
/// A target is either the name of an object on the engine or, with a slash, the resource that an
/// object is labelled as (`container/main`). Missing targets are ignored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Interference {
    /// Kills it like a user: the restart policy does not apply.
    Kill {
        container: String,
    },
    /// Its program exits: the restart policy applies.
    Die {
        container: String,
        code: i64,
    },
    Stop {
        container: String,
    },
    Start {
        container: String,
    },
    Pause {
        container: String,
    },
    /// Its probe fails from now on, until its next start.
    FailCheck {
        container: String,
    },
    RemoveContainer {
        container: String,
    },
    RenameContainer {
        container: String,
        to: String,
    },
    /// Disconnects it from all its networks.
    Disconnect {
        container: String,
    },
    /// Connects it to a network that moat did not create.
    Connect {
        container: String,
        network: String,
    },
    /// Disconnects all containers, and removes it.
    RemoveNetwork {
        network: String,
    },
    /// Removes it and all containers that mount it.
    RemoveVolume {
        volume: String,
    },
    /// Removes the reference; containers of the image stay.
    RemoveImage {
        image: String,
    },
    /// Moves the reference to another image.
    RetagImage {
        image: String,
    },
    /// Starts an exec session in it, like a user at a terminal.
    Attach {
        container: String,
    },
    /// Ends such a session.
    Detach {
        container: String,
    },
    /// Creates an object without labels.
    AddContainer {
        name: String,
        image: String,
    },
    AddNetwork {
        name: String,
    },
    AddVolume {
        name: String,
    },
}

impl fmt::Display for Interference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { container } => write!(f, "kill {container}"),
            Self::Die { container, code } => write!(f, "let {container} die with code {code}"),
            Self::Stop { container } => write!(f, "stop {container}"),
            Self::Start { container } => write!(f, "start {container}"),
            Self::Pause { container } => write!(f, "pause {container}"),
            Self::FailCheck { container } => write!(f, "fail-check {container}"),
            Self::RemoveContainer { container } => write!(f, "remove {container}"),
            Self::RenameContainer { container, to } => write!(f, "rename {container} to {to}"),
            Self::Disconnect { container } => write!(f, "disconnect {container}"),
            Self::Connect { container, network } => write!(f, "connect {container} to {network}"),
            Self::RemoveNetwork { network } => write!(f, "remove network {network}"),
            Self::RemoveVolume { volume } => write!(f, "remove volume {volume}"),
            Self::RemoveImage { image } => write!(f, "remove image {image}"),
            Self::RetagImage { image } => write!(f, "retag image {image}"),
            Self::Attach { container } => write!(f, "attach to {container}"),
            Self::Detach { container } => write!(f, "detach from {container}"),
            Self::AddContainer { name, .. } => write!(f, "add container {name}"),
            Self::AddNetwork { name } => write!(f, "add network {name}"),
            Self::AddVolume { name } => write!(f, "add volume {name}"),
        }
    }
}

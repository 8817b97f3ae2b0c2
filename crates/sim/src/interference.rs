//! What somebody else may do to an engine behind moat's back, as data.
//!
//! A test says it, a fault schedule stores it, the simulator does it. Nobody in moat ever does any of this.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where somebody else can get at an engine.
pub trait Interferer {
    /// Does it, if it can be done now, before it returns.
    fn meddle(&self, meddling: &Interference);

    /// The engine goes down, with all containers, and answers again after `down`.
    fn restart_engine(&self, down: Duration);

    /// What happens during the next `quiet` is told to nobody, though their connections stay.
    fn lose_events(&self, quiet: Duration);
}

/// One act of somebody else.
///
/// A target is either the name of an object on the engine, or, with a slash in it, the resource that an
/// object is labelled as (`container/main`). What is not there is left alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Interference {
    /// Kills it as a person does: the restart policy lets it be.
    Kill {
        container: String,
    },
    /// Its program ends by itself: the restart policy has a say.
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
    /// Its probe says no from now on, until it is started again.
    Sicken {
        container: String,
    },
    RemoveContainer {
        container: String,
    },
    RenameContainer {
        container: String,
        to: String,
    },
    /// Takes it off all its networks.
    Disconnect {
        container: String,
    },
    /// Takes all containers off it, and removes it.
    RemoveNetwork {
        network: String,
    },
    /// Removes it with whatever has it mounted.
    RemoveVolume {
        volume: String,
    },
    /// Takes the reference away; what was made from the image stays.
    RemoveImage {
        image: String,
    },
    /// Makes the reference mean another image.
    RetagImage {
        image: String,
    },
    /// Begins to run a command in it, as a person at a terminal would.
    Attach {
        container: String,
    },
    /// Ends such a command.
    Detach {
        container: String,
    },
    /// Makes an object without labels.
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
            Self::Sicken { container } => write!(f, "sicken {container}"),
            Self::RemoveContainer { container } => write!(f, "remove {container}"),
            Self::RenameContainer { container, to } => write!(f, "rename {container} to {to}"),
            Self::Disconnect { container } => write!(f, "disconnect {container}"),
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

//! What makes a watch look at an agent: words for whoever is told of it, never a reason to decide by.

use std::fmt;

use moat_model::engine::{Actor, EngineEvent, EventAction};

/// The first thing that called for a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The watch has begun.
    Start,
    /// A file that the spec is made of is different; its path, relative to the spec's folder.
    File(String),
    /// The engine told that something has happened to what is called so.
    Engine { what: EventAction, name: String },
    /// The connection to the engine was lost, and is there again.
    Reconnected,
    /// A pause after failures or repairs is over.
    Retry,
    /// Nobody has looked for a while.
    Resync,
    /// A signal asked for it.
    Reload,
    /// A person has approved what was held.
    Approval,
    /// A session that was waited for may have ended.
    SessionOver,
}

impl Trigger {
    pub fn of(happening: &EngineEvent) -> Self {
        let name = match &happening.subject {
            Actor::Container { name, .. } | Actor::Network { name, .. } | Actor::Volume { name } => name.clone(),
        };
        Self::Engine { what: happening.what, name }
    }

    /// Whether the spec is to be read again.
    pub fn is_about_files(&self) -> bool {
        matches!(self, Self::Start | Self::File(_) | Self::Resync | Self::Reload | Self::Approval)
    }

    /// Whether another one says the same better: a container that ends is taken off its networks first.
    pub fn is_part_of(&self, other: &Self) -> bool {
        let is_link = |what: &EventAction| matches!(what, EventAction::Disconnected | EventAction::Connected);
        match (self, other) {
            (Self::Engine { what: this, .. }, Self::Engine { what: that, .. }) => is_link(this) && !is_link(that),
            _ => false,
        }
    }

    /// The word for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::File(_) => "file",
            Self::Engine { .. } => "engine",
            Self::Reconnected => "reconnected",
            Self::Retry => "retry",
            Self::Resync => "resync",
            Self::Reload => "reload",
            Self::Approval => "approval",
            Self::SessionOver => "session-over",
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("the watch has begun"),
            Self::File(name) => write!(f, "`{name}` has changed"),
            Self::Engine { what, name } => write!(f, "`{name}` {}", phrase(*what)),
            Self::Reconnected => f.write_str("the engine is there again"),
            Self::Retry => f.write_str("trying again"),
            Self::Resync => f.write_str("a look from time to time"),
            Self::Reload => f.write_str("asked to look again"),
            Self::Approval => f.write_str("approved"),
            Self::SessionOver => f.write_str("the session is over"),
        }
    }
}

/// What happened, after the name of what it happened to.
fn phrase(what: EventAction) -> &'static str {
    match what {
        EventAction::Created => "was created",
        EventAction::Started => "was started",
        EventAction::Died => "has ended",
        EventAction::OutOfMemory => "ran out of memory",
        EventAction::Paused => "was paused",
        EventAction::Unpaused => "was unpaused",
        EventAction::Renamed => "was renamed",
        EventAction::Updated => "was updated",
        EventAction::Unhealthy => "is unhealthy",
        EventAction::Connected => "was connected",
        EventAction::Disconnected => "was disconnected",
        EventAction::Removed => "was removed",
        EventAction::CommandEnded => "has one command less",
    }
}

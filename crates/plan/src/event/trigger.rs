//! Triggers: what makes a watch start a round. For reports only, never a basis for decisions.

use std::fmt;

use moat_model::engine::{Actor, EngineEvent, EventAction};

/// The first reason for a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The watch started.
    Start,
    /// A file of the spec changed; its path, relative to the folder of the spec.
    File(String),
    /// The engine reported an event of the resource `name`.
    Engine { what: EventAction, name: String },
    /// The connection to the engine was lost and is restored.
    Reconnected,
    /// A pause after failures or repairs ended.
    Retry,
    /// The periodic check is due.
    Resync,
    /// A signal requested it.
    Reload,
    /// A user approved the held spec.
    Approval,
    /// The credential of a grant was refused by a server, or is old.
    Credential { grant: String, refused: bool },
    /// A session that blocks a round may have ended.
    SessionOver,
}

impl Trigger {
    pub fn of(happening: &EngineEvent) -> Self {
        let name = match &happening.subject {
            Actor::Container { name, .. } | Actor::Network { name, .. } | Actor::Volume { name } => name.clone(),
        };
        Self::Engine { what: happening.what, name }
    }

    /// Whether the spec has to be read again.
    pub fn is_about_files(&self) -> bool {
        matches!(
            self,
            Self::Start | Self::File(_) | Self::Resync | Self::Reload | Self::Approval | Self::Credential { .. }
        )
    }

    /// Whether `other` describes the same event better: an exiting container is disconnected from its networks first.
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
            Self::Credential { .. } => "credential",
            Self::SessionOver => "session-over",
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("the watch started"),
            Self::File(name) => write!(f, "`{name}` changed"),
            Self::Engine { what, name } => write!(f, "`{name}` {}", phrase(*what)),
            Self::Reconnected => f.write_str("the engine is reachable again"),
            Self::Retry => f.write_str("retrying"),
            Self::Resync => f.write_str("periodic check"),
            Self::Reload => f.write_str("reload requested"),
            Self::Approval => f.write_str("approved"),
            Self::Credential { grant, refused: true } => write!(f, "a server refused the credential `{grant}`"),
            Self::Credential { grant, refused: false } => write!(f, "the credential `{grant}` is old"),
            Self::SessionOver => f.write_str("the session ended"),
        }
    }
}

/// The predicate that follows the name of the resource.
fn phrase(what: EventAction) -> &'static str {
    match what {
        EventAction::Created => "was created",
        EventAction::Started => "was started",
        EventAction::Died => "exited",
        EventAction::OutOfMemory => "ran out of memory",
        EventAction::Paused => "was paused",
        EventAction::Unpaused => "was unpaused",
        EventAction::Renamed => "was renamed",
        EventAction::Updated => "was updated",
        EventAction::Unhealthy => "is unhealthy",
        EventAction::Connected => "was connected",
        EventAction::Disconnected => "was disconnected",
        EventAction::Removed => "was removed",
        EventAction::CommandEnded => "ended an exec session",
    }
}

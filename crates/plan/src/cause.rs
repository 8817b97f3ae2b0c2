//! Causes: the reason for each operation of a plan.

use std::{fmt, slice};

use serde::Serialize;
use serde_json::Value;

use moat_model::resource::{ImageDigest, ImageRef, ResourceId};
use moat_model::state::ContainerState;

/// The reason for an operation, independent of its action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The resource is desired and does not exist.
    Missing,
    /// The resource exists with an earlier configuration.
    Changed(Vec<FieldDiff>),
    /// The container was created and never started.
    HalfDone,
    /// The container should run and does not.
    NotRunning {
        state: ContainerState,
        exit_code: Option<i64>,
        /// The kernel killed it for lack of memory.
        out_of_memory: bool,
    },
    /// The container runs, and its health check fails or its probe timed out.
    Unhealthy,
    /// The engine has just restarted the container after a crash.
    Crashing { restarts: i64 },
    /// The container runs, and no probe has confirmed that it is ready.
    Unproven,
    /// The container is not connected to its network.
    Disconnected,
    /// The container is connected to a network that would be a way around the gateway.
    OtherNetwork,
    /// The gateway has no value for the grant.
    Locked,
    /// The container refers to the id of a network that no longer exists.
    DeadNetwork,
    /// A mounted file of the host was replaced; the container still has the old one.
    SourceReplaced { path: String },
    /// A dependency is replaced, and the container refers to the old one's id.
    DependencyReplaced(ResourceId),
    /// The tag refers to another image in the registry, and a refresh was requested.
    Moved { image: ImageRef, digests: FieldDiff },
    /// Another resource takes its place.
    Superseded,
    /// A user stopped the whole run.
    Stopped,
    /// A user requested it.
    Asked,
    /// The resource has the wrong name.
    Misnamed { found: String },
    /// The resource is not part of the desired state.
    Unwanted,
    /// The resource was created by a failed apply.
    Undo,
}

/// A field whose applied value differs from the desired one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldDiff {
    /// The path of the field, such as `env.PATH` or `command`.
    pub field: String,
    /// The last applied value; `None` if it was unset.
    pub old: Option<Value>,
    /// The desired value; `None` if it is unset.
    pub new: Option<Value>,
}

impl Cause {
    /// The stable code, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Changed(_) => "changed",
            Self::HalfDone => "half-done",
            Self::NotRunning { .. } => "not-running",
            Self::Unhealthy => "unhealthy",
            Self::Crashing { .. } => "crashing",
            Self::Unproven => "unproven",
            Self::Disconnected => "disconnected",
            Self::OtherNetwork => "other-network",
            Self::Locked => "locked",
            Self::DeadNetwork => "dead-network",
            Self::SourceReplaced { .. } => "source-replaced",
            Self::DependencyReplaced(_) => "dependency-replaced",
            Self::Moved { .. } => "moved",
            Self::Superseded => "superseded",
            Self::Stopped => "stopped",
            Self::Asked => "asked",
            Self::Misnamed { .. } => "misnamed",
            Self::Unwanted => "unwanted",
            Self::Undo => "undo",
        }
    }

    /// The differing fields of `changed`; for `moved`, one entry with the full digests.
    pub fn diffs(&self) -> &[FieldDiff] {
        match self {
            Self::Changed(diffs) => diffs,
            Self::Moved { digests, .. } => slice::from_ref(digests),
            _ => &[],
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Changed(diffs) => {
                f.write_str("changed: ")?;
                for (i, diff) in diffs.iter().enumerate() {
                    write!(f, "{}{diff}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::HalfDone => f.write_str("created but never started"),
            Self::NotRunning { state, exit_code, out_of_memory } => {
                f.write_str(state.as_str())?;
                if let Some(code) = exit_code {
                    write!(f, " with code {code}")?;
                }
                if *out_of_memory { f.write_str(", out of memory") } else { Ok(()) }
            }
            Self::Unhealthy => f.write_str("unhealthy"),
            Self::Crashing { restarts: 1 } => f.write_str("crashed and was restarted"),
            Self::Crashing { restarts } => write!(f, "keeps crashing: restarted {restarts} times"),
            Self::Unproven => f.write_str("not proven ready"),
            Self::Disconnected => f.write_str("not on its network"),
            Self::OtherNetwork => f.write_str("connected to a network outside of the sandbox"),
            Self::Locked => f.write_str("locked"),
            Self::DeadNetwork => f.write_str("its network no longer exists"),
            Self::SourceReplaced { path } => {
                write!(f, "`{path}` was replaced on the host; the container still has the old file")
            }
            Self::DependencyReplaced(on) => write!(f, "{on} is replaced"),
            Self::Moved { image, digests } => moved(f, image, digests),
            Self::Superseded => f.write_str("superseded"),
            Self::Stopped => f.write_str("the sandbox is stopped"),
            Self::Asked => f.write_str("requested"),
            Self::Misnamed { found } => write!(f, "named {found}"),
            Self::Unwanted => f.write_str("no longer needed"),
            Self::Undo => f.write_str("rolled back"),
        }
    }
}

fn moved(f: &mut fmt::Formatter<'_>, image: &ImageRef, digests: &FieldDiff) -> fmt::Result {
    let short = |value: &Option<Value>| value.as_ref()?.as_str().map(|it| ImageDigest::new(it).short().to_owned());
    write!(f, "{image} is another image now")?;
    match (short(&digests.old), short(&digests.new)) {
        (Some(old), Some(new)) => write!(f, ", {old} -> {new}"),
        (None, Some(new)) => write!(f, ", {new}"),
        (_, None) => Ok(()),
    }
}

impl fmt::Display for FieldDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "unset".to_owned(), ToString::to_string);
        write!(f, "{} {} -> {}", self.field, side(&self.old), side(&self.new))
    }
}

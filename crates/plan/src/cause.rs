//! Why an operation is in a plan.

use std::{fmt, slice};

use serde::Serialize;
use serde_json::Value;

use moat_model::resource::{ImageDigest, ImageRef, ResourceId};
use moat_model::state::ContainerState;

/// The reason for an operation, apart from what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It is wanted and not there.
    Missing,
    /// It is there, but as somebody wanted it earlier.
    Changed(Vec<FieldDiff>),
    /// It was created, but never came to run.
    HalfDone,
    /// It should run, and does not.
    NotRunning {
        state: ContainerState,
        exit_code: Option<i64>,
        /// The kernel has ended it for that.
        out_of_memory: bool,
    },
    /// It runs, but its own health check says no, or its probe did for as long as one waits.
    Unhealthy,
    /// It runs or is about to, and the engine has just had to start it again.
    Crashing { restarts: i64 },
    /// It runs, but nobody has proven that it does its job.
    Unproven,
    /// It is no longer on its network.
    Disconnected,
    /// It holds the id of a network that is gone.
    DeadNetwork,
    /// A file of the host that is mounted into it is another one now, and it still has the old one.
    SourceReplaced { path: String },
    /// What it depends on is replaced, and it holds the old one's id.
    DependencyReplaced(ResourceId),
    /// The tag means another image now, and the user wants that one.
    Moved { image: ImageRef, digests: FieldDiff },
    /// Another one takes its place.
    Superseded,
    /// A user has stopped the whole run.
    Stopped,
    /// A user has asked for it.
    Asked,
    /// Its name is not the one it should have.
    Misnamed { found: String },
    /// The desired state no longer has it.
    Unwanted,
    /// It was created by an apply that failed.
    Undo,
}

/// One field that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldDiff {
    /// As in `env.PATH` or `command`.
    pub field: String,
    /// As last applied; `None`: it was not set.
    pub old: Option<Value>,
    /// As wanted; `None`: it is no longer set.
    pub new: Option<Value>,
}

impl Cause {
    /// The word for scripts.
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

    /// The fields that are not as wanted, where that is the cause; of a tag that has moved, the digests in full.
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
            Self::Crashing { restarts: 1 } => f.write_str("crashed, and was restarted"),
            Self::Crashing { restarts } => write!(f, "keeps crashing: restarted {restarts} times"),
            Self::Unproven => f.write_str("not proven ready"),
            Self::Disconnected => f.write_str("not on its network"),
            Self::DeadNetwork => f.write_str("holds a network that is gone"),
            Self::SourceReplaced { path } => {
                write!(f, "`{path}` was replaced on the host, and is still the old file inside")
            }
            Self::DependencyReplaced(on) => write!(f, "{on} is replaced"),
            Self::Moved { image, digests } => moved(f, image, digests),
            Self::Superseded => f.write_str("superseded"),
            Self::Stopped => f.write_str("the sandbox is stopped"),
            Self::Asked => f.write_str("asked for"),
            Self::Misnamed { found } => write!(f, "named {found}"),
            Self::Unwanted => f.write_str("no longer wanted"),
            Self::Undo => f.write_str("undone"),
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

//! Errors of an engine, classified by how callers react.

use std::fmt;

use crate::resource::ImageRef;

/// An error of an engine, or a missing answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    pub fault: Fault,
    /// The exact cause, if the engine's message shows it. For reports only; no decision depends on it.
    pub detail: Option<Detail>,
    /// The engine's message, if it has one; in lower case, without a full stop.
    pub message: String,
    /// A remedy, if the engine's message suggests one.
    pub hint: Option<String>,
    /// The last output lines of a program that failed.
    pub log: Vec<String>,
}

/// The kinds of failure that callers distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The subject of the call does not exist.
    NotFound,
    /// A name is taken, or the state forbids the call (409).
    Conflict,
    /// A network still has endpoints, a volume is still mounted (403, 409).
    InUse,
    /// An address range overlaps another one, or the engine has none left.
    Subnet,
    /// A port of the Docker host is in use.
    Port,
    /// An image cannot be pulled: no such name, no permission, registry unreachable.
    Pull,
    /// The engine rejects the request as invalid (other 4xx).
    Refused,
    /// The engine, or a proxy in front of it, is overloaded (429, 503), and has not executed the call.
    Busy,
    /// The engine failed (other 5xx), for example to start a container.
    Engine,
    /// The engine is unreachable, or the connection was lost.
    Unreachable,
    /// No answer within the deadline. The call may have been executed.
    TimedOut,
    /// The audit log could not be written, so the call was not made.
    Audit,
}

/// Causes that engines report only as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// No registry, or not the engine, has the image.
    ImageNotFound,
    PullDenied,
    RegistryUnreachable,
    /// No address range is left.
    NoRangeLeft,
    /// The source of a mount does not exist.
    MountSource,
    /// The engine cannot grant the requested privileges.
    Privilege,
    DiskFull,
    /// The log driver does not support reading logs.
    NoLogs,
    /// The engine cannot ask a registry for a digest.
    NoRegistryQuery,
}

impl EngineError {
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, detail: None, message: message.into(), hint: None, log: Vec::new() }
    }

    /// The error for an image whose labels would mark every container of it as moat's.
    pub fn claiming_image(reference: &ImageRef) -> Self {
        let message = format!("the image `{reference}` has labels reserved for moat (such as `moat.run`)");
        let hint = "remove the labels; for an image from `docker commit`, `docker export CONTAINER | docker import - NAME` \
                    creates one without them";
        Self::new(Fault::Refused, message).hint(hint)
    }

    /// The same error with an exact cause.
    #[must_use]
    pub fn because(mut self, detail: impl Into<Option<Detail>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same error with the last output of the failed program.
    #[must_use]
    pub fn said(mut self, log: Vec<String>) -> Self {
        self.log = log;
        self
    }

    /// The same error with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Fault {
    /// The stable name, for scripts.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::InUse => "in-use",
            Self::Subnet => "subnet",
            Self::Port => "port",
            Self::Pull => "pull",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::Engine => "engine",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed-out",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::InUse => "in use",
            Self::Subnet => "no subnet",
            Self::Port => "port in use",
            Self::Pull => "pull failed",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::Engine => "engine failed",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed out",
            Self::Audit => "not recorded",
        })
    }
}

//! What can go wrong between moat and an engine, sorted by what can be done about it.

use std::fmt;

use crate::resource::ImageRef;

/// An engine's refusal, or its silence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    pub fault: Fault,
    /// What it was more exactly, where the engine's words tell. For whoever is told; nothing is decided by it.
    pub detail: Option<Detail>,
    /// The engine's own words where it had any; lowercase, without a full stop.
    pub message: String,
    /// What to do, where the engine's words tell.
    pub hint: Option<String>,
    /// The end of what a program said that failed, line by line.
    pub log: Vec<String>,
}

/// The sorts of failure that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// What the call is about is not there.
    NotFound,
    /// A name is taken, or the state forbids the call (409).
    Conflict,
    /// A network still has endpoints, a volume is still mounted (403, 409).
    InUse,
    /// An address range overlaps another one, or the engine has none left.
    Subnet,
    /// A port of the engine's machine is in use.
    Port,
    /// An image cannot be had: no such name, no permission, registry out of reach.
    Pull,
    /// The engine says that the request makes no sense (other 4xx).
    Refused,
    /// The engine, or a proxy before it, takes no more for the moment (429, 503), and has not carried out the call.
    Busy,
    /// The engine failed (other 5xx), as when a container cannot be started.
    Engine,
    /// The engine cannot be reached, or went away.
    Unreachable,
    /// No answer within the deadline. The call may have happened.
    TimedOut,
    /// It could not be put on record, and so was not asked for.
    Audit,
}

/// What engines say only in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// No registry has it, or the engine has not.
    ImageNotFound,
    PullDenied,
    RegistryUnreachable,
    /// There is no address range left to choose from.
    NoRangeLeft,
    /// What is to be mounted is not there.
    MountSource,
    /// The engine cannot give a container the privileges that are asked for.
    Privilege,
    DiskFull,
    /// The engine keeps no output of containers that could be read.
    NoLogs,
}

impl EngineError {
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, detail: None, message: message.into(), hint: None, log: Vec::new() }
    }

    /// An image that says of every container made from it that it is moat's.
    pub fn claiming_image(reference: &ImageRef) -> Self {
        let message = format!("the image `{reference}` has labels of moat's (`moat.run` and the like)");
        let hint = "make one without them; of an image that `docker commit` made, `docker export CONTAINER | docker \
                    import - NAME` drops them";
        Self::new(Fault::Refused, message).hint(hint)
    }

    /// The same error, known more exactly.
    #[must_use]
    pub fn because(mut self, detail: impl Into<Option<Detail>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same error with the last words of the program that failed.
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
    /// The word for scripts.
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

//! Exit codes, as `specs/exit-codes.md` promises them.

use std::process::ExitCode;

/// How moat ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    Failed,
    /// Only `plan --detailed-exitcode`.
    Changes,
    Usage,
    Spec,
    NoEngine,
    Locked,
    Interrupted,
    /// Only `exec`: what the command gave.
    Of(u8),
}

/// The promised ones, by code. The larger ones are those of `sysexits.h` and, for an interrupt, of shells.
pub const ALL: [(Exit, &str); 8] = [
    (Exit::Done, "done, or nothing to do"),
    (Exit::Failed, "failed"),
    (Exit::Changes, "changes pending (only `plan --detailed-exitcode`)"),
    (Exit::Usage, "wrong usage"),
    (Exit::Spec, "the spec is missing or invalid"),
    (Exit::NoEngine, "docker cannot be reached"),
    (Exit::Locked, "another apply holds the lock"),
    (Exit::Interrupted, "interrupted"),
];

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::Usage => 64,
            Self::Spec => 65,
            Self::NoEngine => 69,
            Self::Locked => 75,
            Self::Interrupted => 130,
            Self::Of(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

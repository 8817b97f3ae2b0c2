//! Exit codes, as `docs/reference/exit-codes.md` promises them.

use std::process::ExitCode;

/// The exit status of moat.
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
    /// A spec needs an approval.
    NotApproved,
    Interrupted,
    /// Only `exec`, `run`, `attach` and `shell`: the exit code of the command.
    Of(u8),
}

/// The documented codes, sorted. The larger ones follow `sysexits.h` and, for an interrupt, shells.
pub const ALL: [(Exit, &str); 9] = [
    (Exit::Done, "done, or nothing to do"),
    (Exit::Failed, "failed"),
    (Exit::Changes, "changes pending (only `plan --detailed-exitcode`)"),
    (Exit::Usage, "wrong usage"),
    (Exit::Spec, "the spec is missing or invalid"),
    (Exit::NoEngine, "cannot connect to docker"),
    (Exit::Locked, "another moat process is changing the same sandbox"),
    (Exit::NotApproved, "a spec asks for more than was approved"),
    (Exit::Interrupted, "interrupted"),
];

/// By severity: of several agents, the most severe status counts.
const WORST: [Exit; 7] =
    [Exit::Failed, Exit::Interrupted, Exit::NoEngine, Exit::NotApproved, Exit::Locked, Exit::Changes, Exit::Done];

impl Exit {
    /// The status of several agents.
    pub fn of_all(exits: &[Self]) -> Self {
        WORST.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Self::Done)
    }

    /// A word for the status of one of several agents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Locked => "locked",
            Self::NoEngine => "without docker",
            Self::Interrupted => "interrupted",
            Self::NotApproved => "not approved",
            Self::Failed | Self::Changes | Self::Usage | Self::Spec | Self::Of(_) => "failed",
        }
    }

    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::Usage => 64,
            Self::Spec => 65,
            Self::NoEngine => 69,
            Self::Locked => 75,
            Self::NotApproved => 77,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_severe_status_counts() {
        let table: [(&[Exit], Exit); 5] = [
            (&[], Exit::Done),
            (&[Exit::Done, Exit::Changes], Exit::Changes),
            (&[Exit::Locked, Exit::Done], Exit::Locked),
            (&[Exit::Locked, Exit::Failed, Exit::NoEngine], Exit::Failed),
            (&[Exit::Interrupted, Exit::Locked], Exit::Interrupted),
        ];
        for (exits, worst) in table {
            assert_eq!(Exit::of_all(exits), worst, "{exits:?}");
        }
    }
}

//! Exit codes, as `docs/reference/exit-codes.md` promises them.

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
    /// A spec asks for more than a person has approved.
    NotApproved,
    Interrupted,
    /// Only `exec`, `run` and `shell`: what the command gave.
    Of(u8),
}

/// The promised ones, by code. The larger ones are those of `sysexits.h` and, for an interrupt, of shells.
pub const ALL: [(Exit, &str); 9] = [
    (Exit::Done, "done, or nothing to do"),
    (Exit::Failed, "failed"),
    (Exit::Changes, "changes pending (only `plan --detailed-exitcode`)"),
    (Exit::Usage, "wrong usage"),
    (Exit::Spec, "the spec is missing or invalid"),
    (Exit::NoEngine, "cannot connect to docker"),
    (Exit::Locked, "another moat is changing the same sandbox"),
    (Exit::NotApproved, "a spec asks for more than was approved"),
    (Exit::Interrupted, "interrupted"),
];

/// The worst first: of several agents, the worst one counts.
const WORST: [Exit; 7] =
    [Exit::Failed, Exit::Interrupted, Exit::NoEngine, Exit::NotApproved, Exit::Locked, Exit::Changes, Exit::Done];

impl Exit {
    /// Of several agents.
    pub fn of_all(exits: &[Self]) -> Self {
        WORST.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Self::Done)
    }

    /// How one of several agents ended.
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
    fn the_worst_of_several_counts() {
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

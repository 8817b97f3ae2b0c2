//! Failure codes: the stable names of failures, for scripts.
//!
//! `docs/reference/failures.md` lists them all; a test compares the page with this list. The messages for people may
//! change with every release, the codes do not.

use serde::Serialize;

use moat_model::engine::{Detail, EngineError, Fault};

/// Defines each code once, with its variant, name and meaning.
macro_rules! codes {
    ($($variant:ident $word:literal $meaning:literal,)*) => {
        /// The kind of a failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// All codes, in the order of the page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name, for scripts.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The meaning in a few words, as on the page.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    ImageNotFound "image-not-found" "the image or tag does not exist, or access needs a login",
    PullDenied "pull-denied" "the registry refuses the credentials",
    RegistryUnreachable "registry-unreachable" "the engine cannot reach the registry",
    PullFailed "pull-failed" "the pull failed for another reason",
    BuildFailed "build-failed" "a step of an image's build failed",
    NameConflict "name-conflict" "the name belongs to a resource that moat does not manage",
    PortTaken "port-taken" "a port of the Docker host is in use",
    NoAddressRange "no-address-range" "no free address range is left for a network",
    AddressOverlap "address-overlap" "the address range of a network overlaps another network",
    MountSourceMissing "mount-source-missing" "the source of a mount does not exist on the Docker host",
    MountSourceUnsafe "mount-source-unsafe" "another sandbox could replace the source of a mount by a link",
    PrivilegedImpossible "privileged-impossible" "the engine cannot run privileged containers",
    ContainerExited "container-exited" "a container exited; `exit_code` has its exit code",
    OutOfMemory "out-of-memory" "a container ran out of memory and was killed",
    ReadinessTimeout "readiness-timeout" "a container was not ready in time, and its probe never completed",
    ProbeFailed "probe-failed" "a container was not ready in time: its probe failed; `probe` has the output",
    PolicyUnproven "policy-unproven" "the network policy is not in force, as seen from the main container",
    DiskFull "disk-full" "the engine's disk is full",
    EngineUnreachable "engine-unreachable" "the engine is unreachable, or the connection was lost",
    EngineTimeout "engine-timeout" "the engine did not answer in time",
    EngineBusy "engine-busy" "the engine rejects requests for the moment",
    EngineRefused "engine-refused" "the engine rejected the request as invalid",
    EngineFailed "engine-failed" "the engine failed to execute a request",
    Gone "gone" "the resource does not exist",
    InUse "in-use" "the resource to remove is still in use",
    Unsteady "unsteady" "the state did not converge: something else changes it at the same time",
    Interrupted "interrupted" "the command was interrupted",
    LockHeld "lock-held" "another moat process is changing the same sandbox",
    AuditRefused "audit-refused" "an action was not executed because the audit log cannot be written",
    SpecInvalid "spec-invalid" "a spec is missing or invalid; `findings` has the places",
    UnknownName "unknown-name" "the name matches no sandbox, container or resource, or several",
    NotRunning "not-running" "the sandbox or the container is not running",
    NotAgreed "not-agreed" "the action needs a confirmation, which was not given",
    NotApproved "not-approved" "a spec requests more than was approved",
    Usage "usage" "invalid command line",
    Refused "refused" "the action is not possible in this state; the message says why",
    LocalFile "local-file" "a local file or folder cannot be read, written or watched",
}

impl Code {
    /// The code of an engine's error, without regard to the operation.
    pub fn of(error: &EngineError) -> Self {
        match (error.detail, error.fault) {
            (Some(detail), _) => Self::of_detail(detail),
            (None, Fault::NotFound) => Self::Gone,
            (None, Fault::InUse) => Self::InUse,
            (None, Fault::Subnet) => Self::AddressOverlap,
            (None, Fault::Port) => Self::PortTaken,
            (None, Fault::Pull) => Self::PullFailed,
            (None, Fault::Refused | Fault::Conflict) => Self::EngineRefused,
            (None, Fault::Busy) => Self::EngineBusy,
            (None, Fault::Engine) => Self::EngineFailed,
            (None, Fault::Unreachable) => Self::EngineUnreachable,
            (None, Fault::TimedOut) => Self::EngineTimeout,
            (None, Fault::Audit) => Self::AuditRefused,
        }
    }

    fn of_detail(detail: Detail) -> Self {
        match detail {
            Detail::ImageNotFound => Self::ImageNotFound,
            Detail::PullDenied => Self::PullDenied,
            Detail::RegistryUnreachable => Self::RegistryUnreachable,
            Detail::NoRangeLeft => Self::NoAddressRange,
            Detail::MountSource => Self::MountSourceMissing,
            Detail::Privilege => Self::PrivilegedImpossible,
            Detail::DiskFull => Self::DiskFull,
            Detail::NoLogs | Detail::NoRegistryQuery => Self::Refused,
        }
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

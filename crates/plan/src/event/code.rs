//! Why something failed, as one word that stays: for scripts that act on it.
//!
//! `docs/reference/failures.md` lists them all; a test holds the page and this list together. What a person reads beside it may
//! change with every release, these do not.

use serde::Serialize;

use moat_model::engine::{Detail, EngineError, Fault};

/// The list is written once: a code has a variant, a word and a meaning, or does not exist.
macro_rules! codes {
    ($($variant:ident $word:literal $meaning:literal,)*) => {
        /// Why something failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// In the order of the page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word for scripts.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// In a few words, as the page has it.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    ImageNotFound "image-not-found" "no registry, or engine, has the image or tag, or it hides it from strangers",
    PullDenied "pull-denied" "the registry refuses the credentials",
    RegistryUnreachable "registry-unreachable" "the engine cannot reach the registry",
    PullFailed "pull-failed" "the image cannot be pulled for another reason",
    BuildFailed "build-failed" "a step of an image's build failed",
    NameConflict "name-conflict" "a name is taken by something that is not moat's",
    PortTaken "port-taken" "a port of the engine's machine is in use",
    NoAddressRange "no-address-range" "no address range is left for a network",
    AddressOverlap "address-overlap" "a network's addresses are in use by another one",
    MountSourceMissing "mount-source-missing" "what is to be mounted is not on the engine's machine",
    MountSourceUnsafe "mount-source-unsafe" "another sandbox could put a link in the place of what is to be mounted",
    PrivilegedImpossible "privileged-impossible" "the engine cannot run privileged containers",
    ContainerExited "container-exited" "a container ended; `exit_code` is its own",
    OutOfMemory "out-of-memory" "a container was killed because it ran out of memory",
    ReadinessTimeout "readiness-timeout" "a container was not ready in time, and its probe never answered",
    ProbeFailed "probe-failed" "a container was not ready in time: its probe said no; `probe` has what it said",
    DiskFull "disk-full" "the engine's disk is full",
    EngineUnreachable "engine-unreachable" "the engine cannot be reached, or went away",
    EngineTimeout "engine-timeout" "the engine did not answer in time",
    EngineBusy "engine-busy" "the engine takes no more for the moment",
    EngineRefused "engine-refused" "the engine says that the request makes no sense",
    EngineFailed "engine-failed" "the engine failed at what was asked",
    Gone "gone" "what was to be acted on is not there",
    InUse "in-use" "what was to be removed is still in use",
    Unsteady "unsteady" "each round found more to do: something else changes it at the same time",
    Interrupted "interrupted" "it was asked to stop",
    LockHeld "lock-held" "another moat is changing the same sandbox",
    AuditRefused "audit-refused" "it cannot be put on record, and so was not done",
    SpecInvalid "spec-invalid" "a spec is missing, or wrong; `findings` says where",
    UnknownName "unknown-name" "there is no sandbox, container or resource of that name, or there are several",
    NotRunning "not-running" "the sandbox, or the container, does not run",
    NotAgreed "not-agreed" "a person has to agree to it first, and did not",
    NotApproved "not-approved" "a spec asks for more than a person has approved",
    Usage "usage" "the command line says what cannot be",
    Refused "refused" "it is not done in this state; the message says why",
    LocalFile "local-file" "a file or folder of this machine cannot be read, written or watched",
}

impl Code {
    /// What an engine's answer comes to, by itself.
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
            Detail::NoLogs => Self::Refused,
        }
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

//! Maps an error response or a lost connection to a [`Fault`], or to success where the desired state already exists.
//!
//! Engines report most errors by status, some only in the message. The phrases here are from moby's sources, 20.10 to
//! 29; without a known phrase the status alone decides.

use bollard::errors::Error as BollardError;

use super::deadline::deadline;
use super::message::shorten;
use super::version::NEWEST;
use moat_model::engine::{Call, Detail, EngineError, Fault};

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The engine responded with an error status.
    Refused { status: u16, message: String },
    /// The connection could not be opened, or was lost.
    Lost(String),
    /// The response could not be parsed.
    Unreadable(String),
    /// The request could not be built.
    Unsendable(String),
    /// The deadline passed.
    TimedOut,
}

impl Failure {
    /// The error of a call, or `None` if the response says that the desired state already exists.
    pub(crate) fn of(self, call: Call) -> Option<EngineError> {
        let (fault, message) = match self {
            Self::Refused { status, message } => {
                if status == 400 && message.contains(TOO_OLD) {
                    return Some(too_old());
                }
                let fault = meaning(call, status, &message)?;
                let detail = detail(call, fault, &message.to_ascii_lowercase());
                let mut error =
                    EngineError::new(fault, in_a_sentence(&shorten(call, &message), status)).because(detail);
                if matches!(call, Call::Start | Call::Restart) && message.contains("cannot assign requested address") {
                    error = error.hint("`ip address` on the Docker host lists its addresses; use one of them in `ports`, or omit it for loopback");
                }
                if is_about_a_missing_limit(&message.to_ascii_lowercase()) {
                    error = error
                        .hint("`moat doctor` shows the limits that this engine has; remove the others from the spec");
                }
                return Some(error);
            }
            Self::Lost(why) => (Fault::Unreachable, why),
            Self::Unreadable(why) => (Fault::Engine, format!("cannot read the engine's response to `{call}`: {why}")),
            Self::Unsendable(why) => (Fault::Refused, format!("cannot send `{call}`: {why}")),
            Self::TimedOut => (
                Fault::TimedOut,
                format!("the engine did not respond to `{call}` within {} s", deadline(call).as_secs()),
            ),
        };
        let detail = detail(call, fault, &message.to_ascii_lowercase());
        Some(EngineError::new(fault, message).because(detail))
    }

    /// One word for a log, without the engine's message.
    pub(crate) fn status(&self) -> String {
        match self {
            Self::Refused { status, .. } => status.to_string(),
            Self::Lost(_) => "lost".to_owned(),
            Self::Unreadable(_) => "unreadable".to_owned(),
            Self::Unsendable(_) => "unsendable".to_owned(),
            Self::TimedOut => "timed out".to_owned(),
        }
    }

    /// The error of a call that has no "already done" response.
    pub(crate) fn into_error(self, call: Call) -> EngineError {
        self.of(call)
            .unwrap_or_else(|| EngineError::new(Fault::Engine, format!("the engine did not respond to `{call}`")))
    }
}

impl From<BollardError> for Failure {
    fn from(error: BollardError) -> Self {
        match error {
            BollardError::DockerResponseServerError { status_code, message } => {
                Self::Refused { status: status_code, message }
            }
            BollardError::RequestTimeoutError => Self::TimedOut,
            BollardError::HyperLegacyError { err } => Self::Lost(innermost(&err)),
            BollardError::HyperResponseError { err } => Self::Lost(innermost(&err)),
            BollardError::IOError { err } => Self::Lost(innermost(&err)),
            error @ (BollardError::HttpClientError { .. }
            | BollardError::InvalidURIError { .. }
            | BollardError::InvalidURIPartsError { .. }
            | BollardError::URLParseError { .. }
            | BollardError::URLEncodedError { .. }) => Self::Unsendable(error.to_string()),
            other => Self::Unreadable(other.to_string()),
        }
    }
}

impl From<http::Error> for Failure {
    fn from(error: http::Error) -> Self {
        Self::Unsendable(error.to_string())
    }
}

/// What an engine says to a client whose API version it no longer supports.
const TOO_OLD: &str = "is too old. Minimum supported API version is";

fn too_old() -> EngineError {
    let message = format!("the engine no longer supports API version {NEWEST}, the newest that this moat supports");
    EngineError::new(Fault::Refused, message).hint("install a newer version of moat")
}

/// The fault that a status means for a call; `None` if the call is already done.
fn meaning(call: Call, status: u16, message: &str) -> Option<Fault> {
    let says = |words: &str| message.to_ascii_lowercase().contains(words);
    match (call, status) {
        (_, 304)
        // Another client removed it first.
        | (Call::RemoveContainer | Call::RemoveNetwork | Call::RemoveVolume, 404) => None,
        (Call::RemoveContainer, 409) if says("already in progress") => None,
        (Call::Connect, 403 | 409) if says("already exists in network") || says("already attached to network") => None,
        (Call::Unpause, 409 | 500) if says("is not paused") => None,
        (Call::Rename, _) if says("same name as its current name") => None,
        (Call::Start | Call::Restart, _) if is_about_a_port(&message.to_ascii_lowercase()) => Some(Fault::Port),
        // A missing network or volume is also a 404, although the container exists.
        (Call::Start | Call::Restart, 404) if !says("no such container") => Some(Fault::Engine),
        (Call::CreateNetwork, _) if is_about_subnets(&message.to_ascii_lowercase()) => Some(Fault::Subnet),
        (Call::RemoveNetwork, 403 | 409) if says("active endpoints") || says("in use") => Some(Fault::InUse),
        (Call::RemoveVolume, 409) => Some(Fault::InUse),
        (Call::Pull, _) => Some(Fault::Pull),
        (_, 404) => Some(Fault::NotFound),
        (_, 409) => Some(Fault::Conflict),
        (_, 429 | 503) => Some(Fault::Busy),
        (_, 400..=499) => Some(Fault::Refused),
        _ => Some(Fault::Engine),
    }
}

/// The status for an overlapping or unavailable subnet is 403, 404, 400 or 500, depending on the release.
fn is_about_subnets(message: &str) -> bool {
    ["overlap", "address pool", "address space", "fully subnetted", "conflicts with network"]
        .iter()
        .any(|words| message.contains(words))
}

/// Whether the message is about a host port in use, by a container or another process.
fn is_about_a_port(message: &str) -> bool {
    ["port is already allocated", "address already in use", "failed to bind host port", "ports are not available"]
        .iter()
        .any(|words| message.contains(words))
}

/// Whether the message is about a limit that the engine has no controller for. The first is Docker's, the others are
/// crun's.
fn is_about_a_missing_limit(message: &str) -> bool {
    message.contains("your kernel does not support cpu cfs")
        || (message.contains("controller `") && message.contains("is not available"))
        || ["`memory.", "`pids.", "`cpu."].iter().any(|file| message.contains(&format!("opening file {file}")))
}

/// The detail that the message gives; `message` is in lower case.
fn detail(call: Call, fault: Fault, message: &str) -> Option<Detail> {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if says(&["no space left on device", "disk quota exceeded"]) {
        return Some(Detail::DiskFull);
    }
    match (call, fault) {
        (Call::CreateContainer, Fault::NotFound) if says(&["no such image"]) => Some(Detail::ImageNotFound),
        (Call::CreateContainer, _) if says(&["bind source path does not exist"]) => Some(Detail::MountSource),
        (Call::Start | Call::Restart, _)
            if says(&["bind source path does not exist", "mounting"])
                && says(&["no such file", "does not exist", "not a directory"]) =>
        {
            Some(Detail::MountSource)
        }
        (Call::CreateContainer | Call::Start | Call::Restart, _)
            if says(&["unable to apply caps", "privileged mode is incompatible"]) =>
        {
            Some(Detail::Privilege)
        }
        (Call::CreateNetwork, Fault::Subnet)
            if says(&["address pool among the defaults", "fully subnetted", "non-overlapping"]) =>
        {
            Some(Detail::NoRangeLeft)
        }
        _ => None,
    }
}

/// An engine's message in the style of moat's: lower case, no full stop.
pub(crate) fn in_a_sentence(message: &str, status: u16) -> String {
    let message = message.trim().trim_end_matches('.');
    if message.is_empty() {
        return format!("the engine responded with status {status}");
    }
    let mut chars = message.chars();
    let (first, second) = (chars.next(), chars.next());
    match first {
        // Not an abbreviation such as `OCI` or `HTTP`.
        Some(first) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(message.chars().skip(1)).collect()
        }
        _ => message.to_owned(),
    }
}

/// The root cause of an error, without the context that each layer added.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    let text = at.to_string();
    // The error number adds nothing to the text before it.
    in_a_sentence(text.split(" (os error").next().unwrap_or_default(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_responses_map_to_faults() {
        use Call::*;
        let done = None;
        let table = [
            (Start, 304, "", done),
            (Stop, 304, "", done),
            (RemoveContainer, 404, "No such container: x", done),
            (RemoveContainer, 409, "removal of container x is already in progress", done),
            (RemoveContainer, 409, "cannot remove container: driver busy", Some(Fault::Conflict)),
            (RemoveNetwork, 404, "network x not found", done),
            (
                RemoveNetwork,
                403,
                "error while removing network: network n id i has active endpoints",
                Some(Fault::InUse),
            ),
            (RemoveNetwork, 403, "bridge is a pre-defined network and cannot be removed", Some(Fault::Refused)),
            (RemoveVolume, 404, "get x: no such volume", done),
            (RemoveVolume, 409, "remove x: volume is in use - [c]", Some(Fault::InUse)),
            (Connect, 403, "endpoint with name c already exists in network n", done),
            (Connect, 403, "container c is already attached to network n", done),
            (Connect, 403, "container sharing network namespace with another container", Some(Fault::Refused)),
            (Connect, 404, "network x not found", Some(Fault::NotFound)),
            (Unpause, 500, "Container x is not paused", done),
            (Unpause, 409, "Container x is not paused", done),
            (CreateNetwork, 403, "Pool overlaps with other one on this address space", Some(Fault::Subnet)),
            (
                CreateNetwork,
                404,
                "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
                Some(Fault::Subnet),
            ),
            (CreateNetwork, 400, "all predefined address pools have been fully subnetted", Some(Fault::Subnet)),
            (
                CreateNetwork,
                500,
                "cannot create network a (br-a): conflicts with network b (br-b): networks have overlapping IPv4",
                Some(Fault::Subnet),
            ),
            (CreateNetwork, 409, "network with name x already exists", Some(Fault::Conflict)),
            (CreateNetwork, 400, "invalid network config", Some(Fault::Refused)),
            (CreateContainer, 404, "No such image: x:latest", Some(Fault::NotFound)),
            (
                CreateContainer,
                409,
                "Conflict. The container name \"/x\" is already in use by container \"y\"",
                Some(Fault::Conflict),
            ),
            (CreateContainer, 400, "invalid mount config", Some(Fault::Refused)),
            (Start, 404, "No such container: x", Some(Fault::NotFound)),
            (Start, 404, "network x not found", Some(Fault::Engine)),
            (Start, 500, "OCI runtime create failed", Some(Fault::Engine)),
            (Exec, 409, "container x is not running", Some(Fault::Conflict)),
            (Exec, 404, "No such container: x", Some(Fault::NotFound)),
            (Inspect, 404, "No such container: x", Some(Fault::NotFound)),
            (Pull, 404, "pull access denied", Some(Fault::Pull)),
            (Pull, 500, "dial tcp: no such host", Some(Fault::Pull)),
            (
                Containers,
                400,
                "client version 1.51 is too old. Minimum supported API version is 1.55, please upgrade",
                Some(Fault::Refused),
            ),
            (Containers, 503, "", Some(Fault::Busy)),
            (Start, 503, "connection error: desc = \"transport: error while dialing\"", Some(Fault::Busy)),
            (CreateVolume, 429, "Too Many Requests", Some(Fault::Busy)),
            // From a registry: a rate limit lasts longer than the retries of a busy engine.
            (Pull, 429, "toomanyrequests", Some(Fault::Pull)),
        ];
        for (call, status, message, fault) in table {
            let error = Failure::Refused { status, message: message.to_owned() }.of(call);
            assert_eq!(error.map(|error| error.fault), fault, "{call:?} {status} {message}");
        }
    }

    #[test]
    fn messages_give_details() {
        use Call::*;
        let table = [
            (CreateContainer, 404, "No such image: x:latest", Some(Detail::ImageNotFound)),
            (CreateContainer, 404, "No such container: x", None),
            (
                CreateContainer,
                400,
                "invalid mount config for type \"bind\": bind source path does not exist: /nowhere",
                Some(Detail::MountSource),
            ),
            (
                Start,
                400,
                "failed to create task for container: OCI runtime create failed: error mounting \"/a\" to rootfs at \"/b\": not a directory: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type",
                Some(Detail::MountSource),
            ),
            (Start, 400, "exec: \"none\": stat none: no such file or directory", None),
            (
                Start,
                500,
                "OCI runtime create failed: unable to apply caps: operation not permitted",
                Some(Detail::Privilege),
            ),
            (
                CreateContainer,
                400,
                "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace",
                Some(Detail::Privilege),
            ),
            (CreateNetwork, 400, "all predefined address pools have been fully subnetted", Some(Detail::NoRangeLeft)),
            (CreateNetwork, 403, "Pool overlaps with other one on this address space", None),
            (CreateVolume, 500, "mkdir /var/lib/docker/volumes/x: no space left on device", Some(Detail::DiskFull)),
        ];
        for (call, status, message, detail) in table {
            let error = Failure::Refused { status, message: message.to_owned() }.of(call).expect("an error");
            assert_eq!(error.detail, detail, "{call:?} {status} {message}");
        }
    }

    #[test]
    fn messages_are_lower_case_without_a_full_stop() {
        let table = [
            ("No such container: x", "no such container: x"),
            ("OCI runtime create failed.", "OCI runtime create failed"),
            ("  \n", "the engine responded with status 500"),
            ("A", "a"),
        ];
        for (message, made) in table {
            assert_eq!(in_a_sentence(message, 500), made);
        }
    }

    #[test]
    fn timeouts_differ_from_lost_connections() {
        let fault = |failure: Failure| failure.of(Call::Containers).map(|error| (error.fault, error.message));
        assert_eq!(
            fault(Failure::TimedOut),
            Some((Fault::TimedOut, "the engine did not respond to `list containers` within 10 s".to_owned()))
        );
        assert_eq!(fault(Failure::Lost("gone".to_owned())), Some((Fault::Unreachable, "gone".to_owned())));
    }
}

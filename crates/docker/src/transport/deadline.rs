//! How long each call may take.
//!
//! A deadline is for an engine that hangs, not for one that is slow: each is far above what was ever measured. It
//! covers the whole call, answer included. What streams (exec, logs, pull) is bounded by whoever asked for it.

use std::time::Duration;

use moat_model::engine::Call;

/// Reading what is in the engine's memory.
const QUICK: Duration = Duration::from_secs(10);

/// Changing something without a container's cooperation: a firewall or a busy machine may be slow.
const CHANGE: Duration = Duration::from_secs(60);

/// Waiting for a container to end by itself, or for a disk: a stop gives the longest grace that a specification
/// sensibly asks for, a removal may delete many gigabytes, a creation may copy an image's files into a new volume.
/// The engine kills when the container's own grace is over, so that this only cuts off an engine that hangs.
const LONG: Duration = Duration::from_secs(10 * 60);

/// The first answer of a pull, or of a build, comes when the engine has reached the registry, or has given up after its retries.
const REGISTRY: Duration = Duration::from_secs(5 * 60);

/// One answer of a registry, with whatever it asks for first. Who waits for it can do without.
const QUESTION: Duration = Duration::from_secs(60);

/// How long `call` may take.
pub(crate) const fn deadline(call: Call) -> Duration {
    match call {
        Call::Ping
        | Call::Containers
        | Call::Networks
        | Call::Volumes
        | Call::Image
        | Call::Inspect
        | Call::Rename
        | Call::Exec
        | Call::Commands
        | Call::Events
        | Call::LogTail => QUICK,
        Call::CreateNetwork
        | Call::RemoveNetwork
        | Call::Connect
        | Call::CreateVolume
        | Call::Start
        | Call::Unpause
        | Call::Update => CHANGE,
        Call::CreateContainer
        | Call::Upload
        | Call::Stop
        | Call::Restart
        | Call::RemoveContainer
        | Call::RemoveVolume => LONG,
        Call::Pull | Call::Build => REGISTRY,
        Call::RegistryDigest => QUESTION,
    }
}

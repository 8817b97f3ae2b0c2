//! How long each call may take.
//!
//! A deadline is for an engine that hangs, not for a slow one: each is far above all measured times. It covers the
//! whole call with its response. The caller bounds streams (exec, logs, pull).

use std::time::Duration;

use moat_model::engine::Call;

/// Reads from the engine's memory.
const QUICK: Duration = Duration::from_secs(10);

/// Changes that do not depend on a container: a firewall or a busy host may be slow.
const CHANGE: Duration = Duration::from_secs(60);

/// Waits for a container to exit, or for a disk: a stop waits for the grace period, a removal may delete many
/// gigabytes, a creation may copy an image's files into a new volume. The engine kills the container after its grace
/// period, so that this only cuts off an engine that hangs.
const LONG: Duration = Duration::from_secs(10 * 60);

/// The first response of a pull or a build. It comes when the engine has reached the registry, or exhausted its retries.
const REGISTRY: Duration = Duration::from_secs(5 * 60);

/// One request to a registry, including authentication. Callers can proceed without its result.
const QUESTION: Duration = Duration::from_secs(60);

/// The maximum duration of `call`.
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
        | Call::Disconnect
        | Call::SetPolicy
        | Call::UnlockGrant
        | Call::RevokeGrant
        | Call::CreateVolume
        | Call::Start
        | Call::Unpause
        | Call::Update => CHANGE,
        Call::CreateContainer
        | Call::Upload
        | Call::Import
        | Call::Stop
        | Call::Restart
        | Call::RemoveContainer
        | Call::RemoveVolume => LONG,
        Call::Pull | Call::Build => REGISTRY,
        Call::RegistryDigest => QUESTION,
    }
}

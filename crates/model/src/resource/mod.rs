//! Resources of a sandbox: their names and desired configurations.
//!
//! Plain values, independent of Docker: no I/O, no clock.

mod applied;
pub mod build;
pub mod builds;
mod compare;
pub mod config;
pub mod defaults;
pub mod digest;
pub mod extras;
pub mod failure;
pub mod gateway;
pub mod health;
pub mod id;
pub mod label;
pub mod limit;
pub mod logging;
pub mod mount;
pub mod platform;
pub mod port;
pub mod reach;
mod rights;
pub mod run;
pub mod secret;
pub mod subnet;

pub use applied::Applied;
pub use build::{BuildContext, BuildNetwork};
pub use builds::Builds;
pub use config::{
    Config, ConfigHash, ContainerConfig, FileConfig, GrantConfig, ImageConfig, NetworkAttachment, NetworkConfig,
    PolicyConfig, RestartPolicy, Retention, VolumeConfig,
};
pub use defaults::{Capacity, Defaults, Limit};
pub use extras::Extras;
pub use failure::KnownFailure;
pub use health::{HealthConfig, ImageCheck, Probe};
pub use id::{ContainerId, ImageDigest, ImageId, ImageRef, Kind, NetworkId, ResourceId, Role};
pub use limit::{Cpus, Limits, Size, Ulimit};
pub use logging::LogConfig;
pub use mount::{HostFile, Mount, MountSource};
pub use platform::Platform;
pub use port::{HostPort, Port, PortConfig, Protocol};
pub use rights::{Device, Gpus, Protection, Rights};
pub use run::{AgentName, Run, RunId};
pub use secret::{KeyId, Secret, SecretKey, SecretText};
pub use subnet::{SubnetRange, SubnetSize};

//! The only interface to an engine: a narrow trait with moat's own types.
//!
//! Each method is one API call; listing and creating containers also read the labels of
//! images, since containers inherit them. Implementations make no decisions: they translate, and return
//! the engine's answer.

pub mod call;
pub mod error;
pub mod notice;
pub mod request;

use std::convert::Infallible;
use std::future::Future;

pub use call::Call;
pub use error::{Detail, EngineError, Fault};
pub use notice::{Actor, EngineEvent, EventAction, Notice};
pub use request::{
    ContainerCreate, ContainerUpdate, ExecOutput, Filter, ImageBuild, Inspection, NetworkCreate, PortBinding,
    PullProgress, VolumeCreate, VolumeMount,
};

use crate::resource::{ContainerId, FileConfig, ImageDigest, ImageRef, NetworkId};
use crate::state::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};

/// The operations that moat needs of an engine.
///
/// A call without effect is a success: starting a running container, stopping a stopped one, removing a missing one,
/// connecting a connected one. Every other refusal is an [`EngineError`] with its [`Fault`].
pub trait Engine {
    /// The containers with the labels, in any state; sorted by creation time, then id. Labels inherited from
    /// the image do not count.
    fn containers(&self, filter: &Filter) -> impl Future<Output = Result<Vec<ContainerFacts>, EngineError>>;

    /// The networks with the labels; sorted by creation time, then id.
    fn networks(&self, filter: &Filter) -> impl Future<Output = Result<Vec<NetworkFacts>, EngineError>>;

    /// The volumes with the labels; sorted by name.
    fn volumes(&self, filter: &Filter) -> impl Future<Output = Result<Vec<VolumeFacts>, EngineError>>;

    /// The image that a reference resolves to on this engine; `None` if there is none.
    fn image(&self, reference: &ImageRef) -> impl Future<Output = Result<Option<ImageFacts>, EngineError>>;

    /// One container in detail. Unlike a list, it includes the exit and out-of-memory kills.
    fn inspect(&self, container: &ContainerId) -> impl Future<Output = Result<Inspection, EngineError>>;

    /// Pulls an image from its registry, with the user's credentials.
    fn pull(
        &self,
        reference: &ImageRef,
        progress: &dyn Fn(PullProgress),
    ) -> impl Future<Output = Result<(), EngineError>>;

    /// The digest of a reference in its registry, queried with the user's credentials, without a pull. If the
    /// registry does not have it, or does not answer: [`Fault::Pull`].
    fn registry_digest(&self, reference: &ImageRef) -> impl Future<Output = Result<ImageDigest, EngineError>>;

    /// Builds an image, and pulls its base if that is missing; calls `step` at the start of each step.
    /// A failing step is a [`Fault::Engine`], with the last lines of its output.
    fn build(&self, build: &ImageBuild, step: &dyn Fn(&str)) -> impl Future<Output = Result<(), EngineError>>;

    fn create_network(&self, create: &NetworkCreate) -> impl Future<Output = Result<NetworkId, EngineError>>;

    fn remove_network(&self, network: &NetworkId) -> impl Future<Output = Result<(), EngineError>>;

    fn connect(
        &self,
        network: &NetworkId,
        container: &ContainerId,
        aliases: &[String],
    ) -> impl Future<Output = Result<(), EngineError>>;

    /// Creates a volume. An engine silently returns an existing one: one without the
    /// requested labels is a [`Fault::Conflict`].
    fn create_volume(&self, create: &VolumeCreate) -> impl Future<Output = Result<(), EngineError>>;

    fn remove_volume(&self, name: &str) -> impl Future<Output = Result<(), EngineError>>;

    /// Creates a container. An image with labels reserved for moat is a [`Fault::Refused`].
    fn create_container(&self, create: &ContainerCreate) -> impl Future<Output = Result<ContainerId, EngineError>>;

    /// Writes files, owned by root, into a container, running or not.
    fn upload(&self, container: &ContainerId, files: &[FileConfig]) -> impl Future<Output = Result<(), EngineError>>;

    fn start(&self, container: &ContainerId) -> impl Future<Output = Result<(), EngineError>>;

    /// Stops a container, and kills it after `grace` seconds. `None`: after the container's own stop timeout.
    fn stop(&self, container: &ContainerId, grace: Option<u32>) -> impl Future<Output = Result<(), EngineError>>;

    fn restart(&self, container: &ContainerId) -> impl Future<Output = Result<(), EngineError>>;

    fn unpause(&self, container: &ContainerId) -> impl Future<Output = Result<(), EngineError>>;

    /// Changes limits and the restart policy of a container in any state, without a restart.
    fn update(
        &self,
        container: &ContainerId,
        update: &ContainerUpdate,
    ) -> impl Future<Output = Result<(), EngineError>>;

    fn rename(&self, container: &ContainerId, name: &str) -> impl Future<Output = Result<(), EngineError>>;

    /// Kills and removes a container, with its anonymous volumes.
    fn remove_container(&self, container: &ContainerId) -> impl Future<Output = Result<(), EngineError>>;

    /// Runs a command in a running container, and waits for its exit.
    fn exec(
        &self,
        container: &ContainerId,
        command: &[String],
    ) -> impl Future<Output = Result<ExecOutput, EngineError>>;

    /// The exec sessions and probes that run in a container, each as its arguments. Empty for a
    /// container that is not running.
    fn commands(&self, container: &ContainerId) -> impl Future<Output = Result<Vec<Vec<String>>, EngineError>>;

    /// Reports the events of all objects on the engine, for as long as the connection lasts;
    /// with `since`, also earlier events that the engine still has. In nanoseconds since 1970.
    fn events(
        &self,
        since: Option<i64>,
        tell: &dyn Fn(Notice),
    ) -> impl Future<Output = Result<Infallible, EngineError>>;

    /// The last lines of a container's output, both streams in the order of writing.
    fn log_tail(&self, container: &ContainerId, lines: u32) -> impl Future<Output = Result<Vec<String>, EngineError>>;
}

//! The only door to an engine: a narrow trait in our own types.
//!
//! Each method is one call of the engine's interface; a list and a creation of containers also look at the labels of
//! images, since a container inherits those. Nothing else is decided here: an implementation translates, and says
//! truthfully what came back.

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

/// What moat needs of an engine.
///
/// Already-done answers are success: starting what runs, stopping what is stopped, removing what is gone,
/// connecting what is connected. Every other refusal is an [`EngineError`] with its [`Fault`].
pub trait Engine {
    /// The containers that bear the labels, whatever their state; sorted by creation time, then id. Labels that are
    /// their image's do not count.
    fn containers(&self, filter: &Filter) -> impl Future<Output = Result<Vec<ContainerFacts>, EngineError>>;

    /// The networks that bear the labels; sorted by creation time, then id.
    fn networks(&self, filter: &Filter) -> impl Future<Output = Result<Vec<NetworkFacts>, EngineError>>;

    /// The volumes that bear the labels; sorted by name.
    fn volumes(&self, filter: &Filter) -> impl Future<Output = Result<Vec<VolumeFacts>, EngineError>>;

    /// The image that a reference means on this engine now; `None`: it is not here.
    fn image(&self, reference: &ImageRef) -> impl Future<Output = Result<Option<ImageFacts>, EngineError>>;

    /// One container in detail. Unlike a list it tells of the exit and of the out-of-memory killer.
    fn inspect(&self, container: &ContainerId) -> impl Future<Output = Result<Inspection, EngineError>>;

    /// Fetches an image from its registry, with the user's credentials.
    fn pull(
        &self,
        reference: &ImageRef,
        progress: &dyn Fn(PullProgress),
    ) -> impl Future<Output = Result<(), EngineError>>;

    /// What a reference means in its registry now, asked with the user's credentials; nothing is fetched. Where the
    /// registry has it not, or does not answer: [`Fault::Pull`].
    fn registry_digest(&self, reference: &ImageRef) -> impl Future<Output = Result<ImageDigest, EngineError>>;

    /// Makes an image, pulling what it is based on where that is not here; `step` is told of each step as it begins.
    /// A step that fails is a [`Fault::Engine`], with the end of what it said.
    fn build(&self, build: &ImageBuild, step: &dyn Fn(&str)) -> impl Future<Output = Result<(), EngineError>>;

    fn create_network(&self, create: &NetworkCreate) -> impl Future<Output = Result<NetworkId, EngineError>>;

    fn remove_network(&self, network: &NetworkId) -> impl Future<Output = Result<(), EngineError>>;

    fn connect(
        &self,
        network: &NetworkId,
        container: &ContainerId,
        aliases: &[String],
    ) -> impl Future<Output = Result<(), EngineError>>;

    /// Creates a volume. An engine gives an existing one back without a word: one that does not bear the
    /// labels asked for is a [`Fault::Conflict`].
    fn create_volume(&self, create: &VolumeCreate) -> impl Future<Output = Result<(), EngineError>>;

    fn remove_volume(&self, name: &str) -> impl Future<Output = Result<(), EngineError>>;

    /// An image that has labels of moat's is [`Fault::Refused`].
    fn create_container(&self, create: &ContainerCreate) -> impl Future<Output = Result<ContainerId, EngineError>>;

    /// Writes files, owned by root, into a container that need not run.
    fn upload(&self, container: &ContainerId, files: &[FileConfig]) -> impl Future<Output = Result<(), EngineError>>;

    fn start(&self, container: &ContainerId) -> impl Future<Output = Result<(), EngineError>>;

    /// Stops; what has not ended after `grace` seconds is killed. `None`: after the container's own stop timeout.
    fn stop(&self, container: &ContainerId, grace: Option<u32>) -> impl Future<Output = Result<(), EngineError>>;

    fn restart(&self, container: &ContainerId) -> impl Future<Output = Result<(), EngineError>>;

    fn unpause(&self, container: &ContainerId) -> impl Future<Output = Result<(), EngineError>>;

    /// Changes limits and the restart policy of a container, whatever its state, without a restart.
    fn update(
        &self,
        container: &ContainerId,
        update: &ContainerUpdate,
    ) -> impl Future<Output = Result<(), EngineError>>;

    fn rename(&self, container: &ContainerId, name: &str) -> impl Future<Output = Result<(), EngineError>>;

    /// Kills and removes, with the anonymous volumes.
    fn remove_container(&self, container: &ContainerId) -> impl Future<Output = Result<(), EngineError>>;

    /// Runs a command in a running container, and waits for its end.
    fn exec(
        &self,
        container: &ContainerId,
        command: &[String],
    ) -> impl Future<Output = Result<ExecOutput, EngineError>>;

    /// The commands that run in a container beside its own, each as its words: sessions, and probes. None in a
    /// container that does not run.
    fn commands(&self, container: &ContainerId) -> impl Future<Output = Result<Vec<Vec<String>>, EngineError>>;

    /// Tells what happens to anything on the engine, whoever it belongs to, for as long as the connection lasts;
    /// with `since`, what happened from then on too, as far as the engine remembers. In nanoseconds since 1970.
    fn events(
        &self,
        since: Option<i64>,
        tell: &dyn Fn(Notice),
    ) -> impl Future<Output = Result<Infallible, EngineError>>;

    /// The last lines of a container's output, both streams together as they were written.
    fn log_tail(&self, container: &ContainerId, lines: u32) -> impl Future<Output = Result<Vec<String>, EngineError>>;
}

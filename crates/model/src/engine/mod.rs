//! The only interface to an engine: a narrow trait with moat's own types.
//!
//! Each look is a method; each change is a [`Change`], and one method makes them all. Each is one API call; listing and
//! creating containers also read the labels of images, since containers inherit them. Implementations make no
//! decisions: they translate, and return the engine's answer.

pub mod call;
pub mod change;
pub mod error;
pub mod notice;
pub mod request;

use std::convert::Infallible;
use std::future::Future;

pub use call::Call;
pub use change::{Change, Created, Progress};
pub use error::{Detail, EngineError, Fault};
pub use notice::{Actor, EngineEvent, EventAction, Notice};
pub use request::{
    ContainerCreate, ContainerUpdate, ExecOutput, Filter, ImageBuild, Inspection, NetworkCreate, PortBinding,
    PullProgress, Rights, VolumeCreate, VolumeMount,
};

use crate::resource::{ContainerId, ImageDigest, ImageRef};
use crate::state::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};

/// The operations that moat needs of an engine.
///
/// A change without effect is a success: starting a running container, stopping a stopped one, removing a missing one,
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

    /// The digest of a reference in its registry, queried with the user's credentials, without a pull. If the
    /// registry does not have it, or does not answer: [`Fault::Pull`]. An engine without such queries:
    /// [`Detail::NoRegistryQuery`].
    fn registry_digest(&self, reference: &ImageRef) -> impl Future<Output = Result<ImageDigest, EngineError>>;

    /// Makes a change, and reports the progress of a pull or a build.
    fn change(
        &self,
        change: &Change,
        progress: &dyn Fn(Progress<'_>),
    ) -> impl Future<Output = Result<Created, EngineError>>;

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
        on_notice: &dyn Fn(Notice),
    ) -> impl Future<Output = Result<Infallible, EngineError>>;

    /// The last lines of a container's output, both streams in the order of writing.
    fn log_tail(&self, container: &ContainerId, lines: u32) -> impl Future<Output = Result<Vec<String>, EngineError>>;
}

//! The real engine.
//!
//! [`Docker`] implements [`Engine`] over the engine's HTTP API, one request for each method, and makes no decisions.
//!
//! - `transport` finds the engine, agrees on an API version, sends requests and interprets errors.
//! - `calls` has the requests and responses, one file for each kind of object.
//! - `session` connects a command in a container with the user's streams.
//!
//! bollard shapes the ordinary requests. Lists, streams and everything that may contain words of a later engine are
//! read here, into small structs; `transport::wire` says why.

mod calls;
mod session;
mod transport;

use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

pub use calls::console::Console;
pub use calls::copy::{FromContainer, IntoContainer, PathFacts};
pub use calls::info::{Info, Published, Version};
pub use calls::lines::{LogLine, LogStream};
pub use calls::logs::{LogLines, LogRequest};
pub use session::attach::{AttachError, AttachRequest, Attached};
pub use session::capture::Captured;
pub use session::detach::{DetachKeys, DetachKeysError};
pub use session::not_run::NotRun;
pub use transport::connect_error::ConnectError;
pub use transport::endpoint::{Endpoint, Located, Origin, SshTarget, TlsFiles, TlsIdentity};
pub use transport::environment::{Environment, ProcessEnv};
pub use transport::resolve::resolve;
pub use transport::version::{ApiVersion, Feature};

use calls::{build, commands, containers, credentials, events, images, lists, logs, networks, pull, volumes};
use moat_model::engine::{
    Call, ContainerCreate, ContainerUpdate, Engine, EngineError, ExecOutput, Fault, Filter, ImageBuild, Inspection,
    NetworkCreate, Notice, PullProgress, VolumeCreate,
};
use moat_model::resource::{Capacity, ContainerId, FileConfig, ImageDigest, ImageRef, NetworkId};
use moat_model::state::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};
use session::exec;
use transport::answer;
use transport::deadline::deadline;
use transport::fault::Failure;
use transport::wire::{self, Wire};

/// A Docker engine that answered when it was connected to.
pub struct Docker {
    wire: Wire,
    /// bollard, over the same wire.
    api: bollard::Docker,
    version: ApiVersion,
    slots: Semaphore,
    /// Where docker keeps the credentials of registries.
    config_dir: Option<PathBuf>,
    located: Located,
    /// What it can enforce; asked for once, when the first container is created.
    capacity: OnceCell<Capacity>,
}

impl Docker {
    /// The version that is spoken with the engine.
    pub fn api_version(&self) -> ApiVersion {
        self.version
    }

    /// Where the engine is, and what named it.
    pub fn located(&self) -> &Located {
        &self.located
    }

    /// Why docker's configuration, which has the credentials of registries, cannot be used; `None`: it can, or there is
    /// none.
    pub fn credentials_problem(&self) -> Option<String> {
        credentials::problem(self.config_dir.as_deref()?, &ProcessEnv)
    }

    /// Makes one call, in its turn and within its deadline.
    async fn call<T, E>(&self, call: Call, work: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        let _slot = self.slot().await?;
        let begun = Instant::now();
        let done = match timeout(deadline(call), work).await {
            Ok(done) => done.map_err(Failure::from),
            Err(_) => Err(Failure::TimedOut),
        };
        // Never what was sent or answered: environments and credentials are in it.
        let status = done.as_ref().map_or_else(Failure::status, |_| "ok".to_owned());
        tracing::trace!(call = %call, %status, ms = begun.elapsed().as_millis(), "engine call");
        done
    }

    /// Makes a call that is a success too if what it asks for is the case already.
    async fn ensure<E>(&self, call: Call, work: impl Future<Output = Result<(), E>>) -> Result<(), EngineError>
    where
        Failure: From<E>,
    {
        match self.call(call, work).await {
            Ok(()) => Ok(()),
            Err(failure) => failure.of(call).map_or(Ok(()), Err),
        }
    }

    /// A place among the calls in flight; free again when it is dropped.
    async fn slot(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.slots.acquire().await.map_err(|_| Failure::Lost("no more calls are taken".to_owned()))
    }

    /// Reads a JSON answer of our own making.
    async fn get<T: DeserializeOwned>(&self, call: Call, path: &str) -> Result<T, Failure> {
        self.call(call, async {
            let request = wire::plain(Method::GET, path)?;
            answer::json(self.wire.send(request).await?).await
        })
        .await
    }

    /// Sends JSON and reads a JSON answer of our own making.
    async fn post<T: DeserializeOwned>(&self, call: Call, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.call(call, async {
            let request = wire::with_json(Method::POST, path, body)?;
            answer::json(self.wire.send(request).await?).await
        })
        .await
    }
}

/// A name as it may stand in a path, for calls that bollard makes: it does not encode them.
///
/// The engine's own rule for names; ids are made of the same letters.
fn safe(name: &str) -> Result<&str, EngineError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain) {
        Ok(name)
    } else {
        Err(EngineError::new(Fault::Refused, format!("`{name}` cannot be a name")))
    }
}

/// Every method is one call; each noun has its file.
impl Engine for Docker {
    async fn containers(&self, filter: &Filter) -> Result<Vec<ContainerFacts>, EngineError> {
        lists::containers(self, filter).await
    }

    async fn networks(&self, filter: &Filter) -> Result<Vec<NetworkFacts>, EngineError> {
        lists::networks(self, filter).await
    }

    async fn volumes(&self, filter: &Filter) -> Result<Vec<VolumeFacts>, EngineError> {
        lists::volumes(self, filter).await
    }

    async fn image(&self, reference: &ImageRef) -> Result<Option<ImageFacts>, EngineError> {
        images::image(self, reference).await
    }

    async fn inspect(&self, container: &ContainerId) -> Result<Inspection, EngineError> {
        containers::inspect(self, container).await
    }

    async fn pull(&self, reference: &ImageRef, progress: &dyn Fn(PullProgress)) -> Result<(), EngineError> {
        pull::pull(self, reference, progress).await
    }

    async fn registry_digest(&self, reference: &ImageRef) -> Result<ImageDigest, EngineError> {
        images::registry_digest(self, reference).await
    }

    async fn build(&self, build: &ImageBuild, step: &dyn Fn(&str)) -> Result<(), EngineError> {
        build::build(self, build, step).await
    }

    async fn create_network(&self, create: &NetworkCreate) -> Result<NetworkId, EngineError> {
        networks::create(self, create).await
    }

    async fn remove_network(&self, network: &NetworkId) -> Result<(), EngineError> {
        self.ensure(Call::RemoveNetwork, self.api.remove_network(safe(network.as_str())?)).await
    }

    async fn connect(
        &self,
        network: &NetworkId,
        container: &ContainerId,
        aliases: &[String],
    ) -> Result<(), EngineError> {
        networks::connect(self, network, container, aliases).await
    }

    async fn create_volume(&self, create: &VolumeCreate) -> Result<(), EngineError> {
        volumes::create(self, create).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        self.ensure(
            Call::RemoveVolume,
            self.api.remove_volume(safe(name)?, None::<bollard::query_parameters::RemoveVolumeOptions>),
        )
        .await
    }

    async fn create_container(&self, create: &ContainerCreate) -> Result<ContainerId, EngineError> {
        containers::create(self, create).await
    }

    async fn upload(&self, container: &ContainerId, files: &[FileConfig]) -> Result<(), EngineError> {
        containers::upload(self, container, files).await
    }

    async fn start(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.ensure(Call::Start, self.api.start_container(safe(container.as_str())?, None)).await
    }

    async fn stop(&self, container: &ContainerId, grace: Option<u32>) -> Result<(), EngineError> {
        let t = grace.map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX));
        let options = t.map(|t| bollard::query_parameters::StopContainerOptionsBuilder::new().t(t).build());
        self.ensure(Call::Stop, self.api.stop_container(safe(container.as_str())?, options)).await
    }

    async fn restart(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.ensure(Call::Restart, self.api.restart_container(safe(container.as_str())?, None)).await
    }

    async fn unpause(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.ensure(Call::Unpause, self.api.unpause_container(safe(container.as_str())?)).await
    }

    async fn update(&self, container: &ContainerId, update: &ContainerUpdate) -> Result<(), EngineError> {
        containers::update(self, container, update).await
    }

    async fn rename(&self, container: &ContainerId, name: &str) -> Result<(), EngineError> {
        containers::rename(self, container, safe(name)?).await
    }

    async fn remove_container(&self, container: &ContainerId) -> Result<(), EngineError> {
        containers::remove(self, container).await
    }

    async fn exec(&self, container: &ContainerId, command: &[String]) -> Result<ExecOutput, EngineError> {
        exec::run(self, container, command).await
    }

    async fn commands(&self, container: &ContainerId) -> Result<Vec<Vec<String>>, EngineError> {
        commands::running(self, container).await
    }

    async fn events(&self, since: Option<i64>, tell: &dyn Fn(Notice)) -> Result<Infallible, EngineError> {
        events::listen(self, since, tell).await
    }

    async fn log_tail(&self, container: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
        logs::tail(self, container, lines).await
    }
}

//! The Docker engine.
//!
//! [`Docker`] implements [`Engine`] over the engine's HTTP API, one request for each method, and makes no decisions.
//!
//! - `transport` finds the engine, agrees on an API version, sends requests and interprets errors.
//! - `buildkit` has the session and the progress of a build.
//! - `calls` has the requests and responses, one file for each kind of object.
//! - `session` connects a command in a container with the user's streams.
//!
//! bollard shapes the ordinary requests. Lists, streams and everything that may contain words of a later engine are
//! read here, into small structs; `transport::wire` says why.

mod buildkit;
mod calls;
mod changes;
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
pub use calls::networks::Addresses;
pub use session::attach_error::AttachError;
pub use session::capture::Captured;
pub use session::detach::{DetachKeys, DetachKeysError};
pub use session::held::{Held, terminal_size};
pub use session::not_run::NotRun;
pub use session::request::{AttachRequest, Attached};
pub use transport::connect_error::ConnectError;
pub use transport::endpoint::{Endpoint, Located, Origin, SshTarget, TlsFiles, TlsIdentity};
pub use transport::environment::{Environment, ProcessEnv};
pub use transport::resolve::{Asked, resolve};
pub use transport::version::{ApiVersion, Feature};

use calls::{commands, containers, credentials, events, images, lists, logs};
use moat_model::engine::{
    Call, Change, Created, Engine, EngineError, ExecOutput, Fault, Filter, Inspection, Notice, Progress,
};
use moat_model::resource::{Capacity, ContainerId, ImageDigest, ImageRef};
use moat_model::state::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};
use session::exec;
use transport::answer;
use transport::builder::Builder;
use transport::deadline::deadline;
use transport::fault::Failure;
use transport::version::Vendor;
use transport::wire::{self, Wire};

/// A connected Docker engine.
pub struct Docker {
    wire: Wire,
    /// bollard over the same client.
    api: bollard::Docker,
    version: ApiVersion,
    vendor: Vendor,
    builder: Builder,
    slots: Semaphore,
    /// Docker's configuration directory, with the registry credentials.
    config_dir: Option<PathBuf>,
    located: Located,
    /// The engine's limits; queried once, at the first container creation.
    capacity: OnceCell<Capacity>,
}

impl Docker {
    /// The negotiated API version.
    pub fn api_version(&self) -> ApiVersion {
        self.version
    }

    /// The engine's endpoint and its origin.
    pub fn located(&self) -> &Located {
        &self.located
    }

    /// Why docker's configuration, which has the registry credentials, cannot be used; `None` if it is usable or missing.
    pub fn credentials_problem(&self) -> Option<String> {
        credentials::problem(self.config_dir.as_deref()?, &ProcessEnv)
    }

    /// Makes one call, within the limit of concurrent calls and its deadline.
    async fn call<T, E>(&self, call: Call, work: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        let _slot = self.slot().await?;
        let started = Instant::now();
        let result = match timeout(deadline(call), work).await {
            Ok(result) => result.map_err(Failure::from),
            Err(_) => Err(Failure::TimedOut),
        };
        // Never the bodies: they contain environments and credentials.
        let status = result.as_ref().map_or_else(Failure::status, |_| "ok".to_owned());
        tracing::trace!(call = %call, %status, ms = started.elapsed().as_millis(), "engine call");
        result
    }

    /// Makes a call that also succeeds if the desired state already exists.
    async fn ensure<E>(&self, call: Call, work: impl Future<Output = Result<(), E>>) -> Result<(), EngineError>
    where
        Failure: From<E>,
    {
        match self.call(call, work).await {
            Ok(()) => Ok(()),
            Err(failure) => failure.of(call).map_or(Ok(()), Err),
        }
    }

    /// A permit for one call in flight.
    async fn slot(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.slots.acquire().await.map_err(|_| Failure::Lost("the client is shutting down".to_owned()))
    }

    /// Sends a GET request and reads the JSON response.
    async fn get<T: DeserializeOwned>(&self, call: Call, path: &str) -> Result<T, Failure> {
        self.call(call, async {
            let request = wire::plain(Method::GET, path)?;
            answer::json(self.wire.send(request).await?).await
        })
        .await
    }

    /// Sends a POST request with JSON and reads the JSON response.
    async fn post<T: DeserializeOwned>(&self, call: Call, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.call(call, async {
            let request = wire::with_json(Method::POST, path, body)?;
            answer::json(self.wire.send(request).await?).await
        })
        .await
    }
}

/// Checks a name or id for use in a path: bollard does not encode it.
///
/// The engine's own rule for names; ids use the same characters.
fn safe(name: &str) -> Result<&str, EngineError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain) {
        Ok(name)
    } else {
        Err(EngineError::new(Fault::Refused, format!("`{name}` is not a valid name")))
    }
}

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

    async fn registry_digest(&self, reference: &ImageRef) -> Result<ImageDigest, EngineError> {
        images::registry_digest(self, reference).await
    }

    async fn change(&self, change: &Change, progress: &dyn Fn(Progress<'_>)) -> Result<Created, EngineError> {
        changes::make(self, change, progress).await
    }

    async fn exec(&self, container: &ContainerId, command: &[String]) -> Result<ExecOutput, EngineError> {
        exec::run(self, container, command).await
    }

    async fn commands(&self, container: &ContainerId) -> Result<Vec<Vec<String>>, EngineError> {
        commands::running(self, container).await
    }

    async fn events(&self, since: Option<i64>, notify: &dyn Fn(Notice)) -> Result<Infallible, EngineError> {
        events::listen(self, since, notify).await
    }

    async fn log_tail(&self, container: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
        logs::tail(self, container, lines).await
    }
}

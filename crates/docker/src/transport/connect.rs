//! Connects to an engine: resolves the endpoint, checks it, and negotiates the API version.
//!
//! One request is sent, `GET /_ping`. Every engine since API 1.41 puts its version into a response header, and docker's own
//! client relies on that. `GET /version` takes about thirty times as long, because the engine runs its helpers to get
//! their versions; it is the fallback behind proxies that strip headers.

use http::Method;
use serde::Deserialize;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

use super::answer;
use super::builder::Builder;
use super::connect_error::ConnectError;
use super::deadline::deadline;
use super::endpoint::{Endpoint, Located};
use super::environment::{Environment, ProcessEnv, config_dir};
use super::fault::Failure;
use super::resolve::{Asked, resolve};
use super::version::{ApiVersion, NotAVersion, OLDEST, Vendor};
use super::wire::{self, Wire};
use crate::Docker;
use moat_model::engine::Call;

/// The part of `GET /version` that moat reads.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionAnswer {
    api_version: String,
}

/// The response header with the engine's newest API version.
const VERSION_HEADER: &str = "api-version";

/// A response header that only Podman sends: the version of its own API.
const PODMAN_HEADER: &str = "libpod-api-version";

impl Docker {
    /// Connects to the engine selected on the command line, by the environment or by the docker context.
    ///
    /// # Errors
    /// If no engine is found, it cannot be reached, or it is too old.
    pub async fn connect(asked: Asked<'_>) -> Result<Self, ConnectError> {
        let located = Self::locate(asked)?;
        Self::connect_to(located, &ProcessEnv).await
    }

    /// Finds the engine selected on the command line, by the environment or by the docker context, and sends nothing.
    ///
    /// # Errors
    /// If no engine is found.
    pub fn locate(asked: Asked<'_>) -> Result<Located, ConnectError> {
        resolve(asked, &ProcessEnv)
    }

    /// Connects to a resolved endpoint.
    ///
    /// # Errors
    /// If it cannot be reached, or is too old.
    pub async fn connect_to(located: Located, around: &impl Environment) -> Result<Self, ConnectError> {
        let refuse = |why: String, hint: &str| ConnectError {
            address: located.endpoint.to_string(),
            origin: located.origin.clone(),
            why,
            hint: hint.to_owned(),
        };
        let wire = Wire::new(&located.endpoint)
            .map_err(|why| refuse(why, "check the TLS files in DOCKER_CERT_PATH or in the docker context"))?;
        let (newest, vendor, builder) = match timeout(deadline(Call::Ping), newest_version(&wire, around)).await {
            Ok(Ok(found)) => found,
            Ok(Err(failure)) => return Err(refuse(reason(failure, &wire), &hint(&located.endpoint))),
            Err(_) => return Err(refuse(reason(Failure::TimedOut, &wire), &hint(&located.endpoint))),
        };
        let Some(version) = ApiVersion::agree(newest) else {
            let why = format!("its API version is {newest}, and moat needs {OLDEST} or later");
            return Err(refuse(why, "use docker 20.10 or newer"));
        };
        let wire = wire.with_version(version);
        let api = wire.bollard().map_err(|error| refuse(error.to_string(), ""))?;
        let slots = Semaphore::new(located.endpoint.calls_in_flight());
        Ok(Self {
            wire,
            api,
            version,
            vendor,
            builder,
            slots,
            config_dir: config_dir(around),
            located,
            capacity: OnceCell::new(),
        })
    }
}

/// The newest API version that the engine supports, its vendor, and its builder.
async fn newest_version(wire: &Wire, around: &impl Environment) -> Result<(ApiVersion, Vendor, Builder), Failure> {
    let pong = answer::accepted(wire.send(wire::plain(Method::GET, "/_ping")?).await?).await?;
    let vendor = if pong.headers().contains_key(PODMAN_HEADER) { Vendor::Podman } else { Vendor::Docker };
    let builder = Builder::choose(pong.headers(), vendor, around);
    let header = pong.headers().get(VERSION_HEADER).and_then(|value| value.to_str().ok());
    let named = if let Some(version) = header {
        version.to_owned()
    } else {
        answer::json::<VersionAnswer>(wire.send(wire::plain(Method::GET, "/version")?).await?).await?.api_version
    };
    let version = named.parse().map_err(|error: NotAVersion| Failure::Unreadable(error.to_string()))?;
    Ok((version, vendor, builder))
}

/// The reason of a failed connection.
fn reason(failure: Failure, wire: &Wire) -> String {
    match failure {
        // Over ssh this is only a lost connection; the reason is in the standard error of ssh.
        Failure::Lost(why) => wire.last_error_line().unwrap_or(why),
        other => other.into_error(Call::Ping).message,
    }
}

fn hint(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Unix(path) if !path.exists() => {
            "start Docker, or set its address with --host or DOCKER_HOST".to_owned()
        }
        Endpoint::Unix(_) => "check that Docker is running and that you may use its socket (group `docker`)".to_owned(),
        Endpoint::Tcp { tls: None, .. } => {
            "check that Docker listens there; if it expects TLS, set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"
                .to_owned()
        }
        Endpoint::Tcp { tls: Some(_), .. } => {
            "check that Docker listens there, with a certificate for this name signed by `ca.pem`".to_owned()
        }
        Endpoint::Ssh(target) => {
            format!("`ssh {} docker version` must work without a prompt", target.host)
        }
    }
}

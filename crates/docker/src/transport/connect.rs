//! Connects: finds the endpoint, checks it, and agrees on a version.
//!
//! One call is made, `GET /_ping`: every engine since 1.41 names its version in the answer's header, as docker's own
//! client relies on. `GET /version` says the same and takes about thirty times as long, because the engine runs
//! its helpers to ask them for theirs; it is the fallback for what stands between and strips headers.

use http::Method;
use serde::Deserialize;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

use super::answer;
use super::connect_error::ConnectError;
use super::deadline::deadline;
use super::endpoint::{Endpoint, Located};
use super::environment::{Environment, ProcessEnv, config_dir};
use super::fault::Failure;
use super::resolve::resolve;
use super::version::{ApiVersion, NEWEST, NotAVersion, OLDEST};
use super::wire::{self, Wire};
use crate::Docker;
use moat_model::engine::Call;

/// What an engine's version answer has that moat reads.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionAnswer {
    api_version: String,
}

/// The header in which an engine names its newest version.
const VERSION_HEADER: &str = "api-version";

impl Docker {
    /// Connects to the engine that `--host`, the environment or the docker context name.
    ///
    /// # Errors
    /// If there is none, it cannot be reached, or it is too old.
    pub async fn connect(host: Option<&str>) -> Result<Self, ConnectError> {
        let located = resolve(host, &ProcessEnv)?;
        Self::connect_to(located, &ProcessEnv).await
    }

    /// Connects to an endpoint that was found before.
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
            .map_err(|why| refuse(why, "the TLS files are those of DOCKER_CERT_PATH or of the docker context"))?;
        let newest = match timeout(deadline(Call::Ping), ask_version(&wire)).await {
            Ok(Ok(version)) => version,
            Ok(Err(failure)) => return Err(refuse(reason(failure, &wire), &hint(&located.endpoint))),
            Err(_) => return Err(refuse(reason(Failure::TimedOut, &wire), &hint(&located.endpoint))),
        };
        let Some(version) = ApiVersion::agree(newest) else {
            let why = format!("it speaks version {newest} of its interface, and moat needs {OLDEST}");
            return Err(refuse(why, "use docker 20.10 or newer"));
        };
        let wire = wire.speaking(version);
        let api = wire.bollard().map_err(|error| refuse(error.to_string(), ""))?;
        let slots = Semaphore::new(located.endpoint.calls_in_flight());
        Ok(Self { wire, api, version, slots, config_dir: config_dir(around), located, capacity: OnceCell::new() })
    }
}

/// The newest version that the engine speaks.
async fn ask_version(wire: &Wire) -> Result<ApiVersion, Failure> {
    let pong = answer::accepted(wire.send(wire::plain(Method::GET, "/_ping")?).await?).await?;
    let header = pong.headers().get(VERSION_HEADER).and_then(|value| value.to_str().ok());
    let named = if let Some(version) = header {
        version.to_owned()
    } else {
        answer::json::<VersionAnswer>(wire.send(wire::plain(Method::GET, "/version")?).await?).await?.api_version
    };
    named.parse().map_err(|error: NotAVersion| Failure::Unreadable(error.to_string()))
}

/// A failure in words that fit this one place, where any answer but a good one means that this is no engine for us.
fn reason(failure: Failure, wire: &Wire) -> String {
    match failure {
        // With ssh a lost connection is all that is seen here; ssh itself knows why.
        Failure::Lost(why) => wire.last_words().unwrap_or(why),
        Failure::Refused { message, .. } if message.contains("too old") => {
            format!("it no longer speaks version {NEWEST} of its interface, the newest that this moat knows")
        }
        other => other.into_error(Call::Ping).message,
    }
}

fn hint(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Unix(path) if !path.exists() => {
            "start docker, or say where it is with --host or DOCKER_HOST".to_owned()
        }
        Endpoint::Unix(_) => {
            "docker must be running, and you must be allowed to use its socket (group `docker`)".to_owned()
        }
        Endpoint::Tcp { tls: None, .. } => {
            "docker must listen there; if it expects TLS, set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH".to_owned()
        }
        Endpoint::Tcp { tls: Some(_), .. } => {
            "docker must listen there with a certificate that `ca.pem` signed for this name".to_owned()
        }
        Endpoint::Ssh(target) => {
            format!("`ssh {} docker version` must work without asking for anything", target.host)
        }
    }
}

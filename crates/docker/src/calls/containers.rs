//! Containers: creation, changes, inspection.

use bollard::query_parameters::{RemoveContainerOptions, RenameContainerOptions, StopContainerOptionsBuilder};
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::status::health_word;
use super::{archive, container_body, images, pull};
use crate::transport::endpoint::Endpoint;
use crate::transport::wire::encoded;
use crate::transport::{answer, wire};
use crate::{Docker, safe};
use moat_model::engine::{Call, ContainerCreate, ContainerUpdate, EngineError, Fault, Inspection, Rights};
use moat_model::resource::label::Origin;
use moat_model::resource::{ContainerId, Cpus, Defaults, FileConfig, Limits, RestartPolicy, Size};
use moat_model::state::{ContainerState, Health};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    state: InspectedState,
    #[serde(default)]
    restart_count: i64,
    #[serde(default)]
    host_config: InspectedHost,
    #[serde(default)]
    config: InspectedConfig,
    #[serde(default)]
    network_settings: InspectedNetworks,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct InspectedNetworks {
    networks: Option<serde_json::Map<String, Value>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct InspectedConfig {
    user: String,
    healthcheck: Option<InspectedCheck>,
    /// The shell for `CMD-SHELL` checks.
    shell: Option<Vec<String>>,
}

/// `CMD` or `CMD-SHELL`, followed by the command.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct InspectedCheck {
    test: Option<Vec<String>>,
}

/// The settings that an update can change. An engine writes 0, -1 or nothing for no limit.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct InspectedHost {
    memory: Option<i64>,
    nano_cpus: Option<i64>,
    pids_limit: Option<i64>,
    restart_policy: Option<InspectedRestart>,
    network_mode: String,
    privileged: bool,
    userns_mode: String,
    cap_add: Option<Vec<String>>,
    cap_drop: Option<Vec<String>>,
    runtime: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedRestart {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedState {
    status: String,
    #[serde(default)]
    exit_code: i64,
    #[serde(rename = "OOMKilled", default)]
    oom_killed: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    started_at: String,
    health: Option<InspectedHealth>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedHealth {
    status: String,
}

pub(crate) async fn inspect(docker: &Docker, container: &ContainerId) -> Result<Inspection, EngineError> {
    let path = format!("/containers/{}/json", safe(container.as_str())?);
    let found: Inspected =
        docker.get(Call::Inspect, &path).await.map_err(|failure| failure.into_error(Call::Inspect))?;
    let state = found.state;
    let word = ContainerState::parse(&state.status);
    // Only over a local socket does the engine share the files and the clock of this machine.
    let is_local = matches!(docker.located().endpoint, Endpoint::Unix(_));
    let started = state.started().filter(|_| is_local && word == ContainerState::Running);
    let user = found.config.user.clone();
    Ok(Inspection {
        state: word,
        health: state.health.map_or(Health::None, |health| health_word(&health.status)),
        check: found.config.check(),
        exit_code: state.exit_code,
        oom_killed: state.oom_killed,
        error: state.error,
        restarts: found.restart_count,
        started,
        // One that shares the network of another container has none of its own.
        disconnected: found.network_settings.networks.is_some_and(|networks| networks.is_empty())
            && !found.host_config.network_mode.starts_with("container:"),
        limits: found.host_config.limits(),
        restart: found.host_config.restart(),
        rights: Rights {
            privileged: found.host_config.privileged,
            user,
            host_users: found.host_config.userns_mode == "host",
            cap_add: capabilities(found.host_config.cap_add),
            cap_drop: capabilities(found.host_config.cap_drop),
            runtime: found.host_config.runtime.unwrap_or_default(),
        },
    })
}

/// Some engines write `CAP_SYS_ADMIN`, others `SYS_ADMIN`.
fn capabilities(names: Option<Vec<String>>) -> Vec<String> {
    let plain = |name: String| name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name);
    names.unwrap_or_default().into_iter().map(plain).collect()
}

pub(crate) async fn create(docker: &Docker, create: &ContainerCreate) -> Result<ContainerId, EngineError> {
    if images::origin(docker, create.config.image.as_str()).await? == Origin::Claiming {
        return Err(EngineError::claiming_image(&create.config.image));
    }
    let platform = pull::of_platform(create.config.platform.as_ref());
    let path = format!("/containers/create?name={}{platform}", encoded(&create.name));
    let capacity = docker.capacity().await?;
    // The compiler and the command line have checked it; this holds also if one of them is wrong.
    if create.config.opens_host() && !capacity.maps_users {
        let message =
            format!("`{}` would run as the host's root without masked system paths, with access to it", create.name);
        return Err(
            EngineError::new(Fault::Refused, message).hint("the engine must map users: see `moat explain isolation`")
        );
    }
    let defaults = Defaults::of(&create.config, capacity);
    let body = container_body::body(create, &defaults, docker.version, docker.vendor);
    let made: Result<Created, _> = docker.post(Call::CreateContainer, &path, &body).await;
    made.map(|made| ContainerId::new(made.id)).map_err(|failure| failure.into_error(Call::CreateContainer))
}

pub(crate) async fn upload(docker: &Docker, container: &ContainerId, files: &[FileConfig]) -> Result<(), EngineError> {
    let tar = archive::tar(files).map_err(|error| EngineError::new(Fault::Refused, error.to_string()))?;
    // A file must not replace a directory.
    let path = format!("/containers/{}/archive?path=%2F&noOverwriteDirNonDir=true", safe(container.as_str())?);
    docker
        .ensure(Call::Upload, async {
            let request = wire::with_body(Method::PUT, &path, "application/x-tar", tar)?;
            answer::accepted(docker.wire.send(request).await?).await.map(drop)
        })
        .await
}

pub(crate) async fn start(docker: &Docker, container: &ContainerId) -> Result<(), EngineError> {
    docker.ensure(Call::Start, docker.api.start_container(safe(container.as_str())?, None)).await
}

pub(crate) async fn stop(docker: &Docker, container: &ContainerId, grace: Option<u32>) -> Result<(), EngineError> {
    let seconds = grace.map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX));
    let options = seconds.map(|seconds| StopContainerOptionsBuilder::new().t(seconds).build());
    docker.ensure(Call::Stop, docker.api.stop_container(safe(container.as_str())?, options)).await
}

pub(crate) async fn restart(docker: &Docker, container: &ContainerId) -> Result<(), EngineError> {
    docker.ensure(Call::Restart, docker.api.restart_container(safe(container.as_str())?, None)).await
}

pub(crate) async fn unpause(docker: &Docker, container: &ContainerId) -> Result<(), EngineError> {
    docker.ensure(Call::Unpause, docker.api.unpause_container(safe(container.as_str())?)).await
}

pub(crate) async fn update(
    docker: &Docker,
    container: &ContainerId,
    update: &ContainerUpdate,
) -> Result<(), EngineError> {
    let path = format!("/containers/{}/update", safe(container.as_str())?);
    let body = container_body::update(update, docker.vendor);
    let done: Result<IgnoredAny, _> = docker.post(Call::Update, &path, &body).await;
    done.map(drop).map_err(|failure| failure.into_error(Call::Update))
}

pub(crate) async fn rename(docker: &Docker, container: &ContainerId, name: &str) -> Result<(), EngineError> {
    let options = RenameContainerOptions { name: safe(name)?.to_owned() };
    docker.ensure(Call::Rename, docker.api.rename_container(safe(container.as_str())?, options)).await
}

pub(crate) async fn remove(docker: &Docker, container: &ContainerId) -> Result<(), EngineError> {
    let options = RemoveContainerOptions { v: true, force: true, link: false };
    docker.ensure(Call::RemoveContainer, docker.api.remove_container(safe(container.as_str())?, Some(options))).await
}

impl InspectedState {
    fn started(&self) -> Option<i64> {
        let time: Timestamp = self.started_at.parse().ok()?;
        i64::try_from(time.as_nanosecond()).ok()
    }
}

impl InspectedConfig {
    fn check(self) -> Option<Vec<String>> {
        let test = self.healthcheck?.test?;
        match test.split_first()? {
            (how, command) if how == "CMD" && !command.is_empty() => Some(command.to_vec()),
            (how, line) if how == "CMD-SHELL" && !line.is_empty() => {
                let shell = self.shell.filter(|words| !words.is_empty());
                let shell = shell.unwrap_or_else(|| SHELL.map(str::to_owned).to_vec());
                Some(shell.into_iter().chain(line.iter().cloned()).collect())
            }
            _ => None,
        }
    }
}

/// The engine's default shell.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

impl InspectedHost {
    fn limits(&self) -> Limits {
        let set = |limit: Option<i64>| limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0);
        Limits {
            memory: set(self.memory).map(Size),
            cpus: set(self.nano_cpus).map(Cpus),
            pids: set(self.pids_limit).and_then(|pids| u32::try_from(pids).ok()),
        }
    }

    fn restart(&self) -> Option<RestartPolicy> {
        match self.restart_policy.as_ref().map_or("", |policy| policy.name.as_str()) {
            "" | "no" => Some(RestartPolicy::No),
            "on-failure" => Some(RestartPolicy::OnFailure),
            "unless-stopped" => Some(RestartPolicy::UnlessStopped),
            "always" => Some(RestartPolicy::Always),
            _ => None,
        }
    }
}

//! The exec sessions that run in a container beside its main command.

use serde::Deserialize;

use crate::transport::fault::Failure;
use crate::{Docker, safe};
use moat_model::engine::{Call, EngineError, Fault};
use moat_model::resource::ContainerId;

#[derive(Deserialize)]
struct Inspected {
    /// Null if there are none.
    #[serde(rename = "ExecIDs", default)]
    exec_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Exec {
    #[serde(rename = "Running", default)]
    running: bool,
    #[serde(rename = "ProcessConfig", default)]
    process: Process,
}

#[derive(Deserialize, Default)]
struct Process {
    #[serde(default)]
    entrypoint: String,
    #[serde(default)]
    arguments: Option<Vec<String>>,
}

/// The running commands, each as its arguments.
pub(crate) async fn running(docker: &Docker, container: &ContainerId) -> Result<Vec<Vec<String>>, EngineError> {
    let path = format!("/containers/{}/json", safe(container.as_str())?);
    let found: Inspected =
        docker.get(Call::Inspect, &path).await.map_err(|failure| failure.into_error(Call::Inspect))?;
    let mut commands = Vec::new();
    for id in found.exec_ids.unwrap_or_default() {
        let path = format!("/exec/{}/json", safe(&id)?);
        match docker.get::<Exec>(Call::Exec, &path).await.map_err(|failure: Failure| failure.into_error(Call::Exec)) {
            Ok(exec) if exec.running => {
                let Process { entrypoint, arguments } = exec.process;
                commands.push(std::iter::once(entrypoint).chain(arguments.unwrap_or_default()).collect());
            }
            Ok(_) => {}
            // It has exited since the container was inspected.
            Err(error) if error.fault == Fault::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(commands)
}

//! Sessions of users and scripts in the main container. moat's own probes do not count.

use moat_model::engine::{Engine, EngineError, Fault};
use moat_model::graph::Graph;
use moat_model::resource::{Probe, ResourceId};
use moat_model::state::{ContainerState, Observed};
use moat_session::layout;

/// The number of sessions.
///
/// # Errors
/// If the engine does not answer.
pub async fn sessions<E: Engine>(engine: &E, graph: &Graph, observed: &Observed) -> Result<usize, EngineError> {
    let main = ResourceId::main();
    let Some(running) = observed.containers_of(&main).find(|it| it.state == ContainerState::Running) else {
        return Ok(0);
    };
    let probe = graph.node(&main).and_then(|node| node.probe.as_ref());
    let is_probe = |command: &Vec<String>| matches!(probe, Some(Probe::Exec { command: ours, .. } | Probe::Idle { command: ours, .. }) if ours == command);
    // A held session is one, however many clients are attached.
    let is_ours = |command: &Vec<String>| is_probe(command) || layout::is_own(command);
    match engine.commands(&running.id).await {
        Ok(commands) => Ok(commands.iter().filter(|command| !is_ours(command)).count()),
        // The container was removed since the observation, with its sessions.
        Err(error) if matches!(error.fault, Fault::NotFound | Fault::Conflict) => Ok(0),
        Err(error) => Err(error),
    }
}

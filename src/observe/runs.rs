//! All runs with resources on an engine, identified by their labels.

use std::collections::BTreeMap;

use futures_util::future::try_join3;

use moat_model::engine::{Engine, EngineError, Filter};
use moat_model::resource::label::Ownership;
use moat_model::resource::{AgentName, Run, RunId};
use moat_model::state::Observed;

/// A run as observed, without a spec.
#[derive(Debug, Clone)]
pub struct Found {
    pub run: Run,
    /// Without images and used addresses.
    pub observed: Observed,
}

/// Finds all runs, sorted by id.
///
/// # Errors
/// If the engine does not answer.
pub async fn runs<E: Engine>(engine: &E) -> Result<Vec<Found>, EngineError> {
    let ours = Filter::Ours;
    let (containers, networks, volumes) =
        try_join3(engine.containers(&ours), engine.networks(&ours), engine.volumes(&ours)).await?;
    let mut found = BTreeMap::new();
    for facts in containers {
        if let Some(observed) = part_of(&mut found, facts.owner.as_ref()) {
            observed.containers.push(facts);
        }
    }
    for facts in networks {
        if let Some(observed) = part_of(&mut found, facts.owner.as_ref()) {
            observed.networks.push(facts);
        }
    }
    for facts in volumes {
        if let Some(observed) = part_of(&mut found, facts.owner.as_ref()) {
            observed.volumes.push(facts);
        }
    }
    Ok(found.into_values().collect())
}

/// The run of a resource. Labels that moat never writes are ignored.
fn part_of<'a>(found: &'a mut BTreeMap<RunId, Found>, owner: Option<&Ownership>) -> Option<&'a mut Observed> {
    let owner = owner?;
    let agent = AgentName::parse(&owner.agent).ok()?;
    let run = Run { id: owner.run.clone(), agent, spec: owner.spec.clone() };
    let entry = found.entry(run.id.clone());
    Some(&mut entry.or_insert_with(|| Found { run, observed: Observed::default() }).observed)
}

//! Fetches credentials again during a watch: wakes an agent when the gateway says that a server has refused one, or when one is
//! old.
//!
//! Asks the gateways in intervals, and only those of sandboxes with grants from other sources than variables. No error ends
//! a watch.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::host::CliHost;
use crate::observe::policy::policy;
use crate::watch::Wakeups;
use crate::watch::credentials::{Credentials, Stale};
use moat_docker::Docker;
use moat_model::engine::{Engine, Filter};
use moat_model::resource::{ResourceId, Run};
use moat_model::state::{ContainerFacts, ContainerState, GrantFacts};
use moat_plan::event::Trigger;
use std::collections::BTreeMap;

/// The interval of questions. Each costs a list and an exec, about 30 ms.
const LOOK: Duration = Duration::from_secs(15);

/// Follows the grants of one run for as long as the watch lasts.
pub(super) async fn follow(host: &CliHost<'_>, engine: &Docker, agent: usize, run: &Run, wakeups: &Wakeups) {
    let mut credentials = Credentials::new(Instant::now());
    loop {
        sleep(LOOK).await;
        let sources = host.sources(agent);
        if sources.is_empty() {
            continue;
        }
        let Some(facts) = grants(engine, run).await else { continue };
        let trigger = match credentials.stale(&sources, &facts, Instant::now()) {
            Some(Stale::Refused(grant)) => Trigger::Credential { grant, refused: true },
            Some(Stale::Old(grant)) => Trigger::Credential { grant, refused: false },
            None => continue,
        };
        wakeups.wake(agent, trigger);
    }
}

/// The grants of the run's gateway; `None` if none answers.
async fn grants(engine: &Docker, run: &Run) -> Option<BTreeMap<String, GrantFacts>> {
    let containers = engine.containers(&Filter::Run(run.id.clone())).await.ok()?;
    let is_gateway = |it: &&ContainerFacts| {
        it.state == ContainerState::Running
            && it.owner.as_ref().is_some_and(|owner| owner.resource == ResourceId::gateway())
    };
    let gateway = containers.iter().find(is_gateway)?;
    Some(policy(engine, &gateway.id).await.1.grants)
}

//! Asks for confirmation before a change ends sessions or deletes data.
//!
//! Without a terminal a command prints a warning and continues, as compose does. `--volumes` is stricter: see `destroy`.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::time::Duration;

use tokio::time::timeout;

use crate::cli::error::CliError;
use crate::cli::session::Session;
use crate::observe::sessions::sessions;
use crate::reconcile::Outcome;
use crate::ui::Screen;
use crate::ui::terminal::ask;
use moat_model::engine::Engine;
use moat_model::graph::Graph;
use moat_model::resource::ResourceId;
use moat_model::state::{ContainerState, Observed};
use moat_plan::event::{Event, OnEvent};
use moat_plan::{Action, Plan};

/// The confirmation of one command.
pub(super) struct Confirm<'a> {
    screen: &'a Screen,
    /// `--yes` was given, or the user has confirmed before.
    agreed: bool,
    declined: Cell<bool>,
}

/// How long the Docker inside the sandbox may take to count its objects.
const COUNT: Duration = Duration::from_secs(3);

/// Prints the numbers of containers, volumes and images of the Docker inside the sandbox.
const INNER: &str = "docker ps -aq | wc -l && docker volume ls -q | wc -l && docker image ls -q | wc -l";

/// The alternative to ending sessions.
const SESSIONS_HINT: &str = "`moat watch` waits until sessions end";

impl<'a> Confirm<'a> {
    pub fn new(session: &'a Session, agreed: bool) -> Self {
        Self { screen: &session.screen, agreed, declined: Cell::new(false) }
    }

    /// Returns whether to execute a plan that may end sessions in the main container.
    pub async fn ending_sessions<E: Engine>(
        &self,
        engine: &E,
        graph: &Graph,
        observed: &Observed,
        plan: &Plan,
        on_event: OnEvent<'_>,
    ) -> bool {
        let Some(message) = ended(engine, graph, observed, plan).await else { return true };
        self.decide(graph, &message, SESSIONS_HINT, on_event)
    }

    /// Returns whether to remove a sandbox.
    pub async fn removal<E: Engine>(
        &self,
        engine: &E,
        graph: &Graph,
        observed: &Observed,
        plan: &Plan,
        on_event: OnEvent<'_>,
    ) -> bool {
        let sessions = ended(engine, graph, observed, plan).await;
        if !self.agreed && is_terminal() {
            let Some(parts) = data_loss(engine, observed, plan).await else { return true };
            let more = sessions.map(|it| format!("; {it}")).unwrap_or_default();
            return self.decide(graph, &format!("`{}` will be removed: {parts}{more}", graph.run.agent), "", on_event);
        }
        sessions.is_none_or(|message| self.decide(graph, &message, SESSIONS_HINT, on_event))
    }

    fn decide(&self, graph: &Graph, message: &str, hint: &str, on_event: OnEvent<'_>) -> bool {
        let answer = if self.agreed { None } else { ask::consent(self.screen, message) };
        if answer.is_none() {
            on_event(Event::Warning { run: &graph.run, message, hint });
        }
        let agrees = answer.unwrap_or(true);
        self.declined.set(!agrees);
        agrees
    }

    /// Returns the outcome.
    ///
    /// # Errors
    /// If the user has declined.
    pub fn unless_declined(&self, outcome: Outcome) -> Result<Outcome, CliError> {
        if self.declined.get() { Err(CliError::Declined) } else { Ok(outcome) }
    }
}

/// Returns whether the user can be asked.
pub(super) fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The message about the sessions that a plan ends. `None`: it ends none.
async fn ended<E: Engine>(engine: &E, graph: &Graph, observed: &Observed, plan: &Plan) -> Option<String> {
    let main = ResourceId::main();
    if !plan.interrupts(&main) {
        return None;
    }
    let count = sessions(engine, graph, observed).await.unwrap_or_default();
    let name = observed.containers_of(&main).find(|it| it.state == ContainerState::Running)?.name.clone();
    (count > 0).then(|| format!("this ends {} in `{name}`", counted(count, "session")))
}

/// The data that a plan deletes permanently. `None`: nothing.
pub(super) async fn data_loss<E: Engine>(engine: &E, observed: &Observed, plan: &Plan) -> Option<String> {
    let removes = |action: &Action| matches!(action, Action::RemoveContainer { .. });
    let containers = plan.operations.iter().filter(|it| removes(&it.action)).count();
    let is_data = |action: &Action| matches!(action, Action::RemoveVolume);
    let volumes = plan.operations.iter().filter(|it| is_data(&it.action) && it.resource != ResourceId::stop_mark());
    let mut parts = Vec::new();
    if containers > 0 {
        parts.push(format!("{} with their files", counted(containers, "container")));
    }
    for operation in volumes {
        let inner = match operation.resource.name.as_str() {
            "docker" => inner(engine, observed).await,
            _ => None,
        };
        let inner = inner.map(|it| format!(" ({it} of the Docker inside)")).unwrap_or_default();
        parts.push(format!("volume `{}`{inner}", operation.name));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The objects of the Docker inside the sandbox, if it answers within [`COUNT`].
async fn inner<E: Engine>(engine: &E, observed: &Observed) -> Option<String> {
    let main = ResourceId::main();
    let running = observed.containers_of(&main).find(|it| it.state == ContainerState::Running)?;
    let command = ["sh", "-c", INNER].map(str::to_owned);
    let output = timeout(COUNT, engine.exec(&running.id, &command)).await.ok()?.ok()?;
    let counts: Vec<usize> = output.output.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [containers, volumes, images] = counts[..] else { return None };
    let parts = [(containers, "container"), (volumes, "volume"), (images, "image")];
    Some(parts.map(|(count, what)| counted(count, what)).join(", "))
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

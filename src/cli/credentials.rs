//! What a user is told before images are pulled without credentials, though docker's configuration may have some.

use std::cell::Cell;

use moat_docker::Docker;
use moat_plan::Action;
use moat_plan::event::{Event, Tell};

/// Tells it once.
pub(super) struct Notice<'a> {
    engine: &'a Docker,
    told: Cell<bool>,
}

impl<'a> Notice<'a> {
    pub fn new(engine: &'a Docker) -> Self {
        Self { engine, told: Cell::new(false) }
    }

    /// After a plan with images to fetch was told, and before they are.
    pub fn after(&self, event: &Event<'_>, tell: Tell<'_>) {
        let Event::Planned { run, plan, .. } = event else { return };
        let fetches = |action: &Action| matches!(action, Action::PullImage { .. } | Action::BuildImage { .. });
        if self.told.get() || !plan.operations.iter().any(|operation| fetches(&operation.action)) {
            return;
        }
        if let Some(problem) = self.engine.credentials_problem() {
            self.told.set(true);
            let message = format!("images are pulled without credentials: {problem}");
            tell(Event::Warning { run, message: &message, hint: "fix the file; public images need no credentials" });
        }
    }
}

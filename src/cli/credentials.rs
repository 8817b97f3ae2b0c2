//! Warns before images are pulled without credentials because docker's configuration is unreadable.

use std::cell::Cell;

use moat_docker::Docker;
use moat_plan::Action;
use moat_plan::event::{Event, OnEvent};

/// Emits the warning once.
pub(super) struct Notice<'a> {
    engine: &'a Docker,
    emitted: Cell<bool>,
}

impl<'a> Notice<'a> {
    pub fn new(engine: &'a Docker) -> Self {
        Self { engine, emitted: Cell::new(false) }
    }

    /// Emits the warning after a plan that pulls images.
    pub fn after(&self, event: &Event<'_>, on_event: OnEvent<'_>) {
        let Event::Planned { run, plan, .. } = event else { return };
        let fetches = |action: &Action| matches!(action, Action::PullImage { .. } | Action::BuildImage { .. });
        if self.emitted.get() || !plan.operations.iter().any(|operation| fetches(&operation.action)) {
            return;
        }
        if let Some(problem) = self.engine.credentials_problem() {
            self.emitted.set(true);
            let message = format!("images are pulled without credentials: {problem}");
            on_event(Event::Warning {
                run,
                message: &message,
                hint: "fix the file; public images need no credentials",
            });
        }
    }
}

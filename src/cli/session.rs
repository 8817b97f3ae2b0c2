//! What all commands share: where text goes, which engine is meant, and what form the answer has.

use super::error::CliError;
use super::exit::Exit;
use crate::clock::Clock;
use crate::engine::docker::Docker;
use crate::ui::stream::Stream;
use crate::ui::{Reporter, Screen};

/// One call of moat.
pub struct Session {
    pub screen: Screen,
    /// `--host`.
    host: Option<String>,
    form: Form,
}

/// What form the answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For a person.
    Text,
    /// One JSON document.
    Document,
    /// One JSON object a line.
    Stream,
}

impl Session {
    pub fn new(screen: Screen, host: Option<String>, form: Form) -> Self {
        Self { screen, host, form }
    }

    /// Connects to the engine that is meant.
    ///
    /// # Errors
    /// If there is none, or it does not answer.
    pub async fn connect(&self) -> Result<Docker, CliError> {
        let docker = Docker::connect(self.host.as_deref()).await?;
        let located = docker.located();
        tracing::debug!("docker at {} ({}), version {}", located.endpoint, located.origin, docker.api_version());
        Ok(docker)
    }

    /// Whoever is told how a run goes.
    pub fn reporter(&self) -> Reporter<'_> {
        match self.form {
            Form::Stream => Reporter::script(&self.screen, Clock::System),
            Form::Text | Form::Document => Reporter::person(&self.screen),
        }
    }

    /// Writes what was asked for.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn answer(&self, text: &str) -> Result<(), CliError> {
        self.screen.data(text).map_err(CliError::Output)
    }

    /// Tells why a command could not do its work: people on standard error, and scripts in the form they asked for.
    pub fn refuse(&self, error: &CliError) -> Exit {
        let exit = error.exit();
        error.shown(|problem| {
            self.screen.alert(&problem.text(self.screen.colour()));
            let document = match self.form {
                Form::Text => return,
                Form::Document => problem.json(exit.code()),
                Form::Stream => Stream { clock: Clock::System }.refused(problem, exit.code()),
            };
            // The reason is on standard error already.
            let _ = self.screen.data(&document);
        });
        exit
    }
}

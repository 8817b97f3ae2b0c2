//! What all commands share: where text goes, which engine is meant, and what form the answer has.

use std::path::PathBuf;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::clock::Clock;
use crate::ui::Prefix;
use crate::ui::Reporter;
use crate::ui::Screen;
use crate::ui::json::stream::Stream;
use crate::ui::render::diagnostic;
use crate::ui::render::problem;
use moat_docker::Docker;
use moat_model::resource::Run;
use moat_spec::Diagnostics;

/// One call of moat.
pub struct Session {
    pub screen: Screen,
    /// `--host`.
    host: Option<String>,
    pub form: Form,
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

    /// Whoever is told how a run goes; `label`: what lines begin with where there are several.
    pub fn reporter(&self, run: &Run, label: Option<String>) -> Reporter<'_> {
        match self.form {
            Form::Stream => Reporter::script(&self.screen, Some(run.clone()), Clock::System),
            Form::Text | Form::Document => match label {
                Some(label) => Reporter::labelled(&self.screen, label),
                None => Reporter::person(&self.screen),
            },
        }
    }

    /// Whoever is told of what is about all runs.
    pub fn reporter_of_all(&self) -> Reporter<'_> {
        match self.form {
            Form::Stream => Reporter::script(&self.screen, None, Clock::System),
            Form::Text | Form::Document => Reporter::person(&self.screen),
        }
    }

    /// Tells people what does not keep a command from its work.
    pub fn caution(&self, message: &str, hint: &str) {
        self.screen.alert(&problem::warning(message, hint, self.screen.colour()));
    }

    /// Makes the lines of a stream.
    #[expect(clippy::unused_self, reason = "whose clock it is belongs to the session")]
    pub fn stream(&self) -> Stream {
        Stream { clock: Clock::System }
    }

    /// Writes what was asked for.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn answer(&self, text: &str) -> Result<(), CliError> {
        self.screen.data(text).map_err(CliError::Output)
    }

    /// Names the files of a directory that are no specs: whoever has misspelt `agent` should not miss one.
    pub fn say_skipped(&self, files: &[PathBuf]) {
        if !files.is_empty() {
            let names: Vec<String> = files.iter().map(|file| format!("`{}`", file.display())).collect();
            self.screen.say(&format!("skipped {}: no `agent` key\n", names.join(", ")));
        }
    }

    /// Shows people what they should know of their specs. A script asks `moat validate`.
    pub fn warn(&self, warnings: &[Diagnostics]) {
        if self.form == Form::Text {
            for found in warnings.iter().filter(|found| !found.items.is_empty()) {
                self.screen.say(&format!("{}\n", diagnostic::text(found, self.screen.colour())));
            }
        }
    }

    /// Tells people why a command could not do its work, and gives the exit code.
    pub fn alert(&self, label: Option<&str>, error: &CliError) -> Exit {
        let voice = Prefix::new(&self.screen, label.map(str::to_owned));
        error.shown(|problems| voice.alert(&problem::text(problems, voice.colour())));
        error.exit()
    }

    /// As [`Session::alert`], and tells scripts in the form that they asked for.
    pub fn refuse(&self, error: &CliError) -> Exit {
        let exit = self.alert(None, error);
        let document = match self.form {
            Form::Text => return exit,
            Form::Document => error.json(None),
            Form::Stream => error.shown(|problems| self.stream().refused(None, problems, exit.code())),
        };
        // The reason is on standard error already.
        let _ = self.screen.data(&document);
        exit
    }
}

//! The context of a command: output, engine address and output format.

use std::path::PathBuf;
use std::rc::Rc;

use futures_util::future::join_all;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::clock::Clock;
use crate::ui::Prefix;
use crate::ui::Reporter;
use crate::ui::Screen;
use crate::ui::json::stream::Stream;
use crate::ui::render::diagnostic;
use crate::ui::render::problem;
use moat_docker::{Asked, Docker};
use moat_model::resource::Run;
use moat_spec::Diagnostics;

/// One invocation of moat.
pub struct Session {
    pub screen: Rc<Screen>,
    engine: EngineChoice,
    pub form: Form,
    /// The docker context that this part of the command works on, if the user named several.
    pub context: Option<Rc<str>>,
}

/// The engine that the command line selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineChoice {
    /// The environment or the docker context selects it.
    Default,
    /// `--host`.
    Host(String),
    /// `--context`, one or several.
    Contexts(Vec<String>),
}

/// The format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text.
    Text,
    /// One JSON document.
    Document,
    /// JSON lines.
    Stream,
}

impl Session {
    pub fn new(screen: Screen, engine: EngineChoice, form: Form) -> Self {
        Self { screen: Rc::new(screen), engine, form, context: None }
    }

    /// The contexts of `--context`, if they are several.
    pub fn several_contexts(&self) -> Option<&[String]> {
        match &self.engine {
            EngineChoice::Contexts(names) if names.len() > 1 => Some(names),
            _ => None,
        }
    }

    /// The part of the command that works on one of several contexts; its output names the context.
    pub fn within(&self, context: &str) -> Self {
        Self {
            screen: Rc::clone(&self.screen),
            engine: EngineChoice::Contexts(vec![context.to_owned()]),
            form: self.form,
            context: Some(context.into()),
        }
    }

    /// Connects to the engine.
    ///
    /// # Errors
    /// If there is no address, the engine does not respond, or the user selected several.
    pub async fn connect(&self) -> Result<Docker, CliError> {
        let asked = match &self.engine {
            EngineChoice::Default => Asked::Nothing,
            EngineChoice::Host(address) => Asked::Address(address),
            EngineChoice::Contexts(names) => {
                let [only] = &names[..] else {
                    let message = "this command works on one Docker context".to_owned();
                    return Err(CliError::Usage {
                        message,
                        hint: "only `moat list`, `status` and `watch` take several".to_owned(),
                    });
                };
                Asked::Context(only)
            }
        };
        connect(asked).await
    }

    /// Connects to all selected engines, each with the name of its context. Without `--context` it is one, without a name.
    pub async fn connect_each(&self) -> Vec<(Option<String>, Result<Docker, CliError>)> {
        match &self.engine {
            EngineChoice::Contexts(names) => {
                let each = names.iter().map(async |name| (Some(name.clone()), connect(Asked::Context(name)).await));
                join_all(each).await
            }
            _ => vec![(None, self.connect().await)],
        }
    }

    /// The reporter of a run. `label`: the prefix of its lines if there are several.
    pub fn reporter(&self, run: &Run, label: Option<String>) -> Reporter<'_> {
        match self.form {
            Form::Stream => Reporter::script(&self.screen, Some(run.clone()), self.stream()),
            Form::Text | Form::Document => match label {
                Some(label) => Reporter::labelled(&self.screen, label),
                None => Reporter::person(&self.screen),
            },
        }
    }

    /// The reporter of events that concern all runs.
    pub fn reporter_of_all(&self) -> Reporter<'_> {
        match self.form {
            Form::Stream => Reporter::script(&self.screen, None, self.stream()),
            Form::Text | Form::Document => match &self.context {
                Some(context) => Reporter::labelled(&self.screen, context.to_string()),
                None => Reporter::person(&self.screen),
            },
        }
    }

    /// Prints a warning.
    pub fn warning(&self, message: &str, hint: &str) {
        let prefix = Prefix::new(&self.screen, self.context.as_deref().map(str::to_owned));
        prefix.alert(&problem::warning(message, hint, prefix.colour()));
    }

    /// The encoder of JSON lines.
    pub fn stream(&self) -> Stream {
        Stream { clock: Clock::System, context: self.context.clone() }
    }

    /// Prints the result on standard output.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn answer(&self, text: &str) -> Result<(), CliError> {
        self.screen.data(text).map_err(CliError::Output)
    }

    /// Prints the skipped files of a directory, so that a misspelt `agent` key is noticed.
    pub fn say_skipped(&self, files: &[PathBuf]) {
        if !files.is_empty() {
            let names: Vec<String> = files.iter().map(|file| format!("`{}`", file.display())).collect();
            self.screen.say(&format!("skipped {}: no `agent` key\n", names.join(", ")));
        }
    }

    /// Prints the warnings about specs. Scripts get them from `moat validate`.
    pub fn warn(&self, warnings: &[Diagnostics]) {
        if self.form == Form::Text {
            for found in warnings.iter().filter(|found| !found.items.is_empty()) {
                self.screen.say(&format!("{}\n", diagnostic::text(found, self.screen.colour())));
            }
        }
    }

    /// Prints an error on standard error and returns its exit code.
    pub fn alert(&self, label: Option<&str>, error: &CliError) -> Exit {
        let prefix = Prefix::new(&self.screen, label.map(str::to_owned));
        error.shown(|problems| prefix.alert(&problem::text(problems, prefix.colour())));
        error.exit()
    }

    /// Prints an error like [`Session::alert`], and also on standard output in the requested JSON format.
    pub fn refuse(&self, error: &CliError) -> Exit {
        let exit = self.alert(None, error);
        let document = match self.form {
            Form::Text => return exit,
            Form::Document => error.json(None, None),
            Form::Stream => error.shown(|problems| self.stream().refused(None, problems, exit.code())),
        };
        // If this fails, the error is still on standard error.
        let _ = self.screen.data(&document);
        exit
    }
}

impl EngineChoice {
    pub fn new(host: Option<String>, contexts: Vec<String>) -> Self {
        match host {
            Some(address) => Self::Host(address),
            None if contexts.is_empty() => Self::Default,
            None => Self::Contexts(contexts),
        }
    }
}

async fn connect(asked: Asked<'_>) -> Result<Docker, CliError> {
    let docker = Docker::connect(asked).await?;
    let located = docker.located();
    tracing::debug!("docker at {} ({}), API version {}", located.endpoint, located.origin, docker.api_version());
    Ok(docker)
}

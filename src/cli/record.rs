//! The audit log of a command.

use std::future::Future;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::audit::engine::Audited;
use crate::audit::log::{About, Writer};
use crate::audit::{Audit, AuditError};
use crate::cli::error::CliError;
use crate::cli::state_directory::state_directory;
use crate::clock::Clock;
use moat_docker::Docker;
use moat_model::graph::Graph;
use moat_model::resource::Run;

/// The audit log of one command on one engine.
pub struct Record<'a> {
    audit: Arc<Audit>,
    engine: &'a Docker,
}

/// What a user consents to.
pub enum Confirmation<'a> {
    /// Losing data or approvals.
    Lose(&'a str),
    /// Granting privileges to the sandbox.
    Give(&'a [String]),
}

/// The directory of the audit log.
///
/// # Errors
/// If there is no state directory.
pub fn audit_dir() -> Result<PathBuf, AuditError> {
    state_directory().ok_or(AuditError::NoFolder)
}

/// The identity of this process in audit entries of `command`.
pub fn writer(command: &str) -> Writer {
    Writer { command: command.to_owned(), pid: process::id(), clock: Clock::System }
}

impl<'a> Record<'a> {
    /// Opens the audit log for `command`.
    ///
    /// # Errors
    /// If the log cannot be written: then nothing must be changed.
    pub fn open(command: &str, engine: &'a Docker) -> Result<Self, CliError> {
        let audit = Audit::open(&audit_dir()?, writer(command))?;
        Ok(Self { audit: Arc::new(audit), engine })
    }

    /// The engine, with every change recorded for the run of `graph`.
    pub fn of(&self, graph: &Graph) -> Audited<'a, Docker> {
        Audited::of(self.engine, Some(self.place()), graph)
    }

    /// Records a consent of the user.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn consent(&self, run: &Run, to: &Confirmation<'_>, how: &str) -> Result<(), CliError> {
        let about =
            About { run: Some(run.id.to_string()), agent: Some(run.agent.to_string()), engine: Some(self.address()) };
        let (key, what) = match to {
            Confirmation::Lose(what) => ("to_lose", json!(what)),
            Confirmation::Give(what) => ("to_give", json!(what)),
        };
        let data = Map::from_iter([(key.to_owned(), what), ("how".to_owned(), how.into())]);
        Ok(self.audit.fact("consent_given", &about, data)?)
    }

    /// Runs `work` in a container and records its intent and outcome.
    ///
    /// # Errors
    /// If the log cannot be written; otherwise the error of `work`.
    pub async fn session<T>(
        &self,
        run: &Run,
        event: &'static str,
        data: Value,
        work: impl Future<Output = Result<T, CliError>>,
        code: impl Fn(&T) -> Option<i64>,
    ) -> Result<T, CliError> {
        let mut data = if let Value::Object(data) = data { data } else { Map::new() };
        data.retain(|_, value| !value.is_null());
        let outcome_data =
            |done: &T| code(done).map(|code| ("exit_code".to_owned(), json!(code))).into_iter().collect();
        self.closed(
            Audited::new(self.engine, Some(self.place()), run, None).recorded(event, data, work, outcome_data).await,
        )
    }

    /// Flushes the log to disk at the end of a command.
    ///
    /// # Errors
    /// The error in `done` first, then that of the log.
    pub fn closed<T>(&self, done: Result<T, CliError>) -> Result<T, CliError> {
        let closed = self.audit.close();
        let done = done?;
        closed?;
        Ok(done)
    }

    fn place(&self) -> (Arc<Audit>, String) {
        (Arc::clone(&self.audit), self.address())
    }

    fn address(&self) -> String {
        self.engine.located().endpoint.to_string()
    }
}

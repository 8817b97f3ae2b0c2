//! What a command puts on record while it changes something.

use std::env;
use std::future::Future;
use std::path::PathBuf;
use std::process;
use std::sync::{Arc, Once};

use serde_json::{Map, Value, json};

use crate::audit::engine::Audited;
use crate::audit::log::{About, Writer};
use crate::audit::{Audit, AuditError};
use crate::cli::error::CliError;
use crate::clock::Clock;
use crate::local::private;
use crate::local::state_dir;
use moat_docker::Docker;
use moat_model::graph::Graph;
use moat_model::resource::Run;

/// The record of one command on one engine.
pub struct Record<'a> {
    audit: Arc<Audit>,
    engine: &'a Docker,
}

/// What a user agrees to.
pub enum Consent<'a> {
    /// That something is lost.
    Lose(&'a str),
    /// That the sandbox is given more than it has.
    Give(&'a [String]),
}

/// Overrules where moat keeps its own files.
pub const STATE_DIR: &str = "MOAT_STATE_DIR";

/// Where moat keeps its own files; `None`: there is no place for them.
pub fn own_files() -> Option<PathBuf> {
    static CLOSED: Once = Once::new();
    let dir = state_dir(env::var_os(STATE_DIR).map(Into::into))?;
    CLOSED.call_once(|| private::close(&dir));
    Some(dir)
}

/// As `own_files`, for whom nothing goes without.
pub fn audit_dir() -> Result<PathBuf, AuditError> {
    own_files().ok_or(AuditError::NoFolder)
}

/// This process, as it signs for `command`.
pub fn writer(command: &str) -> Writer {
    Writer { command: command.to_owned(), pid: process::id(), clock: Clock::System }
}

impl<'a> Record<'a> {
    /// Opens the audit log for `command`.
    ///
    /// # Errors
    /// If nothing can be put on record: then nothing must be changed.
    pub fn open(command: &str, engine: &'a Docker) -> Result<Self, CliError> {
        let audit = Audit::open(&audit_dir()?, writer(command))?;
        Ok(Self { audit: Arc::new(audit), engine })
    }

    /// The engine, with everything that changes it on record as the run of `graph`.
    pub fn of(&self, graph: &Graph) -> Audited<'a, Docker> {
        Audited::of(self.engine, Some(self.place()), graph)
    }

    /// Puts on record that a user has agreed to something.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn consent(&self, run: &Run, to: &Consent<'_>, how: &str) -> Result<(), CliError> {
        let about =
            About { run: Some(run.id.to_string()), agent: Some(run.agent.to_string()), engine: Some(self.address()) };
        let (key, what) = match to {
            Consent::Lose(what) => ("to_lose", json!(what)),
            Consent::Give(what) => ("to_give", json!(what)),
        };
        let data = Map::from_iter([(key.to_owned(), what), ("how".to_owned(), how.into())]);
        Ok(self.audit.fact("consent_given", &about, data)?)
    }

    /// Does what a user asks to be done in a container, on record.
    ///
    /// # Errors
    /// If it cannot be put on record; otherwise its own.
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
        let came_of_it = |done: &T| code(done).map(|code| ("exit_code".to_owned(), json!(code))).into_iter().collect();
        self.closed(
            Audited::new(self.engine, Some(self.place()), run, None).recorded(event, data, work, came_of_it).await,
        )
    }

    /// Brings the record to the disk; the end of a command.
    ///
    /// # Errors
    /// The command's own first.
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

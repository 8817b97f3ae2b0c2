//! `--lock-timeout`, and the lock that commands hold while they change a run.

use std::process;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::error::CliError;
use crate::cli::state_directory::{STATE_DIR, state_directory};
use crate::clock::{Clock, written};
use crate::local::lock::{Holder, Lock, LockError};
use moat_docker::Docker;
use moat_model::resource::Run;
use moat_plan::event::{Event, OnEvent};

#[derive(Debug, Clone, Args)]
pub struct Locking {
    /// How long to wait for another moat process
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_timeout: u32,
}

impl Locking {
    /// Takes the lock of a run for `command`. `None`: no lock file could be created.
    ///
    /// A missing lock is a warning: it avoids conflicts between commands, but is not needed for correctness.
    ///
    /// # Errors
    /// If another process holds the lock longer than `--lock-timeout`, or `stop` is cancelled.
    pub async fn lock(
        &self,
        command: &str,
        run: &Run,
        engine: &Docker,
        on_event: OnEvent<'_>,
        stop: &CancellationToken,
    ) -> Result<Option<Lock>, CliError> {
        let warn = |message: &str| {
            let hint = format!("concurrent moat commands are not serialized; set {STATE_DIR}");
            on_event(Event::Warning { run, message, hint: &hint });
            Ok(None)
        };
        let Some(dir) = state_directory() else {
            return warn("no directory for lock files");
        };
        let holder = Holder { pid: process::id(), command: command.to_owned(), since: written(Clock::System.now()) };
        let engine = engine.located().endpoint.to_string();
        let patience = Duration::from_secs(self.lock_timeout.into());
        let taken = tokio::select! {
            taken = Lock::take(&dir, &run.id, &engine, &holder, patience) => taken,
            () = stop.cancelled() => return Err(CliError::Interrupted),
        };
        match taken {
            Ok(lock) => Ok(Some(lock)),
            Err(error @ LockError::Held { .. }) => Err(error.into()),
            Err(error @ LockError::File { .. }) => warn(&error.to_string()),
        }
    }
}

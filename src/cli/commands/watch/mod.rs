//! `moat watch`: keeps sandboxes in sync with their specs until stopped.

mod across;
mod credentials;
mod denials;
mod host;
mod reload;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::args::change_args::ChangeArgs;
use crate::cli::args::specs::Specs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::interrupt::stoppable;
use crate::cli::load::{Agent, Load};
use crate::cli::record::Record;
use crate::cli::selection::Selection;
use crate::cli::session::{Form, Session};
use crate::ui::live::display::Display;
use crate::watch::files::Files;
use crate::watch::{Settings, Wakeups, watch};
use host::{CliHost, Shared, Startup};
use moat_docker::Docker;
use moat_model::resource::Run;
use moat_plan::Options;
use moat_plan::event::Trigger;

/// Keep the sandbox in sync with its spec until stopped
///
/// With `--context a,b` each sandbox is watched on the Docker contexts that have it.
#[derive(Debug, Args)]
pub struct Watch {
    #[command(flatten)]
    specs: Specs,
    #[command(flatten)]
    watching: Watching,
    /// Override how long a container may take to become ready
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    wait_timeout: Option<u32>,
    #[command(flatten)]
    change: ChangeArgs,
    /// Print events as JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The options of a watch.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "command line flags")]
pub struct Watching {
    /// Approve every change of the spec while watching
    #[arg(long)]
    pub(in crate::cli) allow: bool,
    /// Apply changes immediately, even if that ends sessions
    #[arg(long)]
    pub(in crate::cli) now: bool,
    /// Remove the sandbox when its spec file is gone
    #[arg(long)]
    pub(in crate::cli) prune: bool,
    /// Poll files every second instead of using notifications
    #[arg(long)]
    pub(in crate::cli) poll: bool,
    /// Interval of full checks
    #[arg(long, value_name = "SECONDS", default_value_t = RESYNC, value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) resync: u32,
}

/// The options of a watch, also for `apply --watch`.
pub(in crate::cli) struct WatchRequest<'a> {
    pub specs: &'a [PathBuf],
    pub watching: &'a Watching,
    pub wait_timeout: Option<u32>,
    pub change: &'a ChangeArgs,
    /// Ask for missing approvals before the watch starts, and refuse without them; otherwise hold the changes.
    pub asks: bool,
}

pub async fn run(args: &Watch, session: &Session) -> Result<Exit, CliError> {
    let Watch { specs, watching, wait_timeout, change, .. } = args;
    let (specs, wait_timeout) = (&specs.paths(), *wait_timeout);
    watch_as(&WatchRequest { specs, watching, wait_timeout, change, asks: false }, session).await
}

pub(in crate::cli) async fn watch_as(args: &WatchRequest<'_>, session: &Session) -> Result<Exit, CliError> {
    if let (Some(contexts), false) = (session.several_contexts(), args.asks) {
        return across::watch(args, session, contexts).await;
    }
    let (selection, engine) = Selection::find(session, args.specs, Load::Full).await?;
    let (startup, stop) = (Startup::new(1), CancellationToken::new());
    let shared = args.shared(session, &startup);
    let work = args.follow(session, &engine, selection.into_agents(), &shared, &stop);
    Box::pin(stoppable(&stop, work)).await?;
    Ok(Exit::Done)
}

fn started(runs: &[Run], context: Option<&str>) -> String {
    let (what, sandboxes) = match runs {
        [_] => ("watching".to_owned(), "the sandbox"),
        _ => (format!("watching {} agents", runs.len()), "the sandboxes"),
    };
    match context {
        Some(context) => {
            let names: Vec<&str> = runs.iter().map(|run| run.agent.as_str()).collect();
            format!("{context} | watching {}; Ctrl-C stops the watch and keeps {sandboxes}\n", names.join(", "))
        }
        None => format!("{what}; Ctrl-C stops the watch and keeps {sandboxes}\n"),
    }
}

/// Reports denials of all runs; never ends.
async fn denials(host: &CliHost<'_>, engine: &Docker, runs: &[Run]) {
    join_all(runs.iter().enumerate().map(|(agent, run)| denials::follow(host, engine, agent, run))).await;
    std::future::pending::<()>().await;
}

/// Wakes up agents whose credentials have to be fetched again; never ends.
async fn credentials(host: &CliHost<'_>, engine: &Docker, runs: &[Run], wakeups: &Wakeups) {
    join_all(runs.iter().enumerate().map(|(agent, run)| credentials::follow(host, engine, agent, run, wakeups))).await;
    std::future::pending::<()>().await;
}

/// Wakes up every agent on SIGHUP.
async fn reloads(wakeups: &Wakeups, agents: usize) {
    // The signal is optional.
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return std::future::pending().await };
    while hangup.recv().await.is_some() {
        (0..agents).for_each(|agent| wakeups.wake(agent, Trigger::Reload));
    }
}

impl WatchRequest<'_> {
    fn shared<'a>(&'a self, session: &'a Session, startup: &'a Startup) -> Shared<'a> {
        let display = (session.form == Form::Text).then(|| Display::new(&session.screen)).flatten();
        Shared { locking: &self.change.locking, allow: self.watching.allow, startup, display: display.map(Rc::new) }
    }

    /// Watches agents on one Docker host until `stop`.
    async fn follow(
        &self,
        session: &Session,
        engine: &Docker,
        agents: Vec<Agent>,
        shared: &Shared<'_>,
        stop: &CancellationToken,
    ) -> Result<(), CliError> {
        let record = Record::open("watch", engine)?;
        record.closed(self.change.approving.give(&agents, session, engine, &record, self.asks).await)?;
        let agents: Vec<_> = agents.iter().map(reload::watched).collect();
        let wakeups = Wakeups::default();
        let files = self.watching.files(&wakeups, session)?;
        let runs: Vec<Run> = agents.iter().map(|it| it.run.clone()).collect();
        let host = CliHost::new(session, engine, runs.clone(), files, shared)?;
        session.screen.say(&started(&runs, session.context.as_deref()));
        let settings = self.settings(engine);
        tokio::select! {
            biased;
            () = reloads(&wakeups, agents.len()) => {}
            () = denials(&host, engine, &runs) => {}
            () = credentials(&host, engine, &runs, &wakeups) => {}
            () = watch(engine, &host, agents, &settings, &wakeups, stop) => {}
        }
        host.stop()
    }

    fn settings(&self, engine: &Docker) -> Settings {
        let wait_timeout = self.wait_timeout.map(|seconds| Duration::from_secs(seconds.into()));
        let Watching { now, prune, resync, .. } = *self.watching;
        Settings {
            options: Options { wait_timeout, ..self.change.addresses.options(engine) },
            resync: Duration::from_secs(resync.into()),
            now,
            prune,
        }
    }
}

/// [`crate::watch::RESYNC`] in seconds.
const RESYNC: u32 = 300;

impl Default for Watching {
    fn default() -> Self {
        Self { allow: false, now: false, prune: false, poll: false, resync: RESYNC }
    }
}

impl Watching {
    fn files(&self, wakeups: &Wakeups, session: &Session) -> Result<Files, CliError> {
        if self.poll {
            return Ok(Files::polling(wakeups.clone())?);
        }
        Files::new(wakeups.clone()).or_else(|error| {
            session.warning(&format!("{error}; polling them every second instead"), error.hint);
            Ok(Files::polling(wakeups.clone())?)
        })
    }
}

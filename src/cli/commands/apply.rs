//! `moat apply`: creates or updates sandboxes to match their specs.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::args::change_args::ChangeArgs;
use crate::cli::args::specs::Specs;
use crate::cli::commands::plan;
use crate::cli::commands::watch::{self, WatchRequest, Watching};
use crate::cli::confirm::Confirm;
use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::interrupt::{interruptible, unless};
use crate::cli::load::{Agent, Load};
use crate::cli::record::Record;
use crate::cli::runner::{Change, Goal, Present, Runner};
use crate::cli::saved::Saved;
use crate::cli::selection::Selection;
use crate::cli::session::Session;
use crate::reconcile::{Claims, OnFailure};
use crate::ui::Reporter;
use crate::ui::render::outcome::Command;
use moat_docker::Docker;
use moat_plan::Options;

/// Create or update the sandbox and wait until it is ready
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "command line flags")]
pub struct Apply {
    #[command(flatten)]
    specs: Specs,
    /// Override how long a container may take to become ready
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    wait_timeout: Option<u32>,
    /// Do not roll back on failure, for inspection
    #[arg(long)]
    keep_on_failure: bool,
    /// End sessions without asking if a container is replaced
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    change: ChangeArgs,
    /// Pull images whose tag has moved and replace containers
    #[arg(long, conflicts_with = "watch")]
    pull: bool,
    /// Keep the sandbox in sync afterwards, like `moat watch`
    #[arg(short, long, conflicts_with = "keep_on_failure")]
    watch: bool,
    /// Show the plan and change nothing, like `moat plan`
    #[arg(long, conflicts_with = "watch")]
    pub(in crate::cli) dry_run: bool,
    /// Print events as JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Apply, session: &Session) -> Result<Exit, CliError> {
    let saved = Saved::among(&args.specs.paths())?;
    if saved.is_some() && (args.watch || args.dry_run || args.pull) {
        let message = "a saved plan cannot be changed".to_owned();
        return Err(CliError::Usage { message, hint: "omit `--watch`, `--dry-run` and `--pull`".to_owned() });
    }
    if args.watch {
        let Apply { specs, wait_timeout, change, .. } = args;
        let (specs, watching) = (&specs.paths(), &Watching::default());
        let request = WatchRequest { specs, wait_timeout: *wait_timeout, change, asks: true, watching };
        return watch::watch_as(&request, session).await;
    }
    if args.dry_run {
        let Apply { specs, pull, change: ChangeArgs { addresses, .. }, json, .. } = args;
        let request =
            plan::PlanRequest { specs, out: None, detailed_exitcode: false, pull: *pull, addresses, json: *json };
        return plan::show(&request, session).await;
    }
    let specs = saved.as_ref().map_or_else(|| args.specs.paths(), Saved::specs);
    let (selection, engine) = Selection::find(session, &specs, Load::Full).await?;
    if let Some(saved) = &saved {
        saved.is_of(selection.agents(), &engine)?;
    }
    let record = Record::open("apply", &engine)?;
    let work = args.apply_all(selection, saved.as_ref(), &engine, &record, session);
    record.closed(work.await)
}

impl Apply {
    /// Applies the specs of all agents concurrently.
    async fn apply_all(
        &self,
        selection: Selection<'_>,
        saved: Option<&Saved>,
        engine: &Docker,
        record: &Record<'_>,
        session: &Session,
    ) -> Result<Exit, CliError> {
        let ChangeArgs { approving, locking, .. } = &self.change;
        let (stop, confirm) = (&CancellationToken::new(), &Confirm::new(session, self.yes));
        let runner =
            Runner { command: Command::Apply, engine, locking, record, confirm, stop, claims: Claims::default() };
        let options = self.options(engine);
        let work = async {
            let selection = unless(stop, selection.pass(approving, engine, record)).await?;
            // Check all agents before changing any; each is checked again under its lock.
            for agent in selection.agents() {
                if let Some(saved) = saved {
                    saved.holds(&agent.graph, &options, engine).await?;
                }
            }
            let is_shared = |spec: &Path| selection.agents().filter(|agent| agent.spec_path == spec).count() > 1;
            let one = async |agent: &Agent, reporter: Reporter<'_>| {
                // A file with several agents does not name one of them.
                let exec = if is_shared(&agent.spec_path) {
                    format!("moat exec {}", agent.graph.run.agent)
                } else {
                    exec(&agent.spec_path)
                };
                let present = Present { exec, pull: self.pull, saved, checks_builds: true };
                let (options, on_failure) = (options.clone(), self.on_failure());
                let change = Change { graph: &agent.graph, goal: Goal::Present(present), options, on_failure };
                runner.run(change, reporter).await
            };
            selection.work(one).await
        };
        Box::pin(interruptible(&session.screen, stop, work)).await
    }

    fn options(&self, engine: &Docker) -> Options {
        let wait_timeout = self.wait_timeout.map(|seconds| Duration::from_secs(seconds.into()));
        Options { wait_timeout, ..self.change.addresses.options(engine) }
    }

    fn on_failure(&self) -> OnFailure {
        if self.keep_on_failure { OnFailure::Keep } else { OnFailure::Undo }
    }
}

/// The command line for a command in the sandbox of a spec.
pub(in crate::cli) fn exec(spec: &Path) -> String {
    if spec == Path::new(default_spec::path()) {
        "moat exec".to_owned()
    } else {
        format!("moat exec {}", spec.display())
    }
}

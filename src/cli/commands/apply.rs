//! `moat apply`: creates or updates sandboxes to match their specs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::approval::Approving;
use crate::cli::args::locking::Locking;
use crate::cli::args::specs::Specs;
use crate::cli::args::subnets::Addresses;
use crate::cli::commands::plan;
use crate::cli::commands::watch::{self, WatchRequest, Watching};
use crate::cli::confirm::Confirm;
use crate::cli::credentials::Notice;
use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::history_writer::HistoryWriter;
use crate::cli::interrupt::{interruptible, unless};
use crate::cli::load::{Agent, Load};
use crate::cli::record::Record;
use crate::cli::report::Report;
use crate::cli::saved::Saved;
use crate::cli::selection::Selection;
use crate::cli::session::Session;
use crate::observe::builds::{self, Builds};
use crate::observe::registry;
use crate::reconcile::{Claims, OnFailure, Outcome, Terms, until_converged_on};
use crate::ui::Reporter;
use crate::ui::render::outcome::Command;
use moat_docker::Docker;
use moat_model::engine::Engine;
use moat_model::graph::Graph;
use moat_model::resource::{ImageDigest, ImageRef};
use moat_model::state::Observed;
use moat_plan::event::{Event, Tell};
use moat_plan::{Options, Plan, has_completed};

/// Create or update the sandbox and wait until it is ready
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "command line flags")]
pub struct Apply {
    #[command(flatten)]
    specs: Specs,
    /// Override how long a container may take to become ready
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    wait_timeout: Option<u32>,
    /// Do not roll back on failure, so that it can be inspected
    #[arg(long)]
    keep_on_failure: bool,
    /// End sessions without asking if a container is replaced
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    approving: Approving,
    #[command(flatten)]
    addresses: Addresses,
    #[command(flatten)]
    locking: Locking,
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

/// The context shared by all agents of an apply.
pub(in crate::cli) struct ApplyContext<'a> {
    /// The name of the command.
    pub command: &'static str,
    pub locking: &'a Locking,
    pub record: &'a Record<'a>,
    pub claims: &'a Claims,
    pub stop: &'a CancellationToken,
    /// Resolve tags in their registries.
    pub pull: bool,
    /// The saved plan that must still match.
    pub saved: Option<&'a Saved>,
    pub confirm: &'a Confirm<'a>,
}

pub async fn run(args: &Apply, session: &Session) -> Result<Exit, CliError> {
    let saved = Saved::among(&args.specs.paths())?;
    if saved.is_some() && (args.watch || args.dry_run || args.pull) {
        let message = "a saved plan cannot be changed".to_owned();
        return Err(CliError::Usage { message, hint: "omit `--watch`, `--dry-run` and `--pull`".to_owned() });
    }
    if args.watch {
        let Apply { specs, wait_timeout, approving, addresses, locking, .. } = args;
        let (specs, watching) = (&specs.paths(), &Watching::default());
        let request =
            WatchRequest { specs, wait_timeout: *wait_timeout, approving, asks: true, addresses, locking, watching };
        return watch::watch_as(&request, session).await;
    }
    if args.dry_run {
        let Apply { specs, pull, addresses, json, .. } = args;
        let request =
            plan::PlanRequest { specs, out: None, detailed_exitcode: false, pull: *pull, addresses, json: *json };
        return plan::show(&request, session).await;
    }
    let specs = saved.as_ref().map_or_else(|| args.specs.paths(), Saved::specs);
    let (selection, engine) = Selection::find(session, &specs, Load::Full).await?;
    let options = args.options(&engine);
    if let Some(saved) = &saved {
        saved.is_of(selection.agents(), &engine)?;
    }
    let record = Record::open("apply", &engine)?;
    let (stop, claims) = (CancellationToken::new(), Claims::default());
    let (pull, saved) = (args.pull, saved.as_ref());
    let (locking, record, claims, stop) = (&args.locking, &record, &claims, &stop);
    let confirm = &Confirm::new(session, args.yes);
    let context = ApplyContext { command: "apply", locking, record, claims, stop, pull, saved, confirm };
    let work = async {
        let selection = unless(stop, selection.pass(&args.approving, &engine, record)).await?;
        // Check all agents before changing any; each is checked again under its lock.
        for agent in selection.agents() {
            if let Some(saved) = saved {
                saved.holds(&agent.graph, &options, &engine).await?;
            }
        }
        let one = async |agent: &Agent, to: Reporter<'_>| {
            apply_agent(&engine, agent, (options.clone(), args.on_failure()), &context, to).await
        };
        selection.work(one).await
    };
    record.closed(Box::pin(interruptible(&session.screen, stop, work)).await)
}

/// Applies the spec of one agent and reports the result.
pub(in crate::cli) async fn apply_agent(
    engine: &Docker,
    agent: &Agent,
    (mut options, on_failure): (Options, OnFailure),
    context: &ApplyContext<'_>,
    reporter: Reporter<'_>,
) -> Result<Exit, CliError> {
    let history = HistoryWriter::start(engine, context.command);
    let graph = &agent.graph;
    let audited = context.record.of(graph);
    let emit = |event: Event<'_>| {
        audited.note(&event);
        history.note(&event);
        reporter.tell(&event);
    };
    let notice = Notice::new(engine);
    let tell = |event: Event<'_>| {
        emit(event.clone());
        notice.after(&event, &emit);
    };
    let _lock = context.locking.lock(context.command, &graph.run, engine, &tell, context.stop).await?;
    if context.pull || context.saved.is_some_and(|saved| saved.pulls(&graph.run)) {
        options.registry = registry(&audited, graph, &tell).await;
    }
    if let Some(saved) = context.saved {
        saved.holds(graph, &options, engine).await?;
    }
    let agrees = async |observed: &Observed, plan: &Plan| {
        context.confirm.ending_sessions(&audited, graph, observed, plan, &tell).await
    };
    let terms = Terms { claims: context.claims, on_failure, agrees };
    let outcome = until_converged_on(&audited, graph, options, terms, &tell, context.stop).await?;
    let outcome = context.confirm.unless_declined(outcome)?;
    let (builds, exec) = (builds(&audited, graph, &outcome, &tell).await, exec(&agent.given));
    let report = match &outcome {
        Outcome::Converged { observed, changed } => {
            Report::converged(graph, (observed, *changed), builds.as_ref(), &exec)
        }
        failure => Report::unsuccessful(&audited, graph, failure, Command::Apply).await,
    };
    report.publish(&graph.run, reporter, &history).await
}

/// The image digests from the registries, with a warning for each image without one.
async fn registry<E: Engine>(engine: &E, graph: &Graph, tell: Tell<'_>) -> BTreeMap<ImageRef, ImageDigest> {
    let found = registry::ask(engine, graph).await;
    for (reference, why) in &found.kept {
        let (message, hint) = registry::words(reference, why);
        tell(Event::Warning { run: &graph.run, message: &message, hint: &hint });
    }
    found.digests
}

/// The target of builds, with a warning if it is not the sidecar.
///
/// Skipped if nothing has changed, so that an apply without changes makes no extra calls.
async fn builds<E: Engine>(engine: &E, graph: &Graph, outcome: &Outcome, tell: Tell<'_>) -> Option<Builds> {
    let Outcome::Converged { observed, changed: true } = outcome else { return None };
    if observed.is_stopped() || has_completed(graph, observed) {
        return None;
    }
    let builds = builds::check(engine, graph, observed).await?;
    if let Some(reason) = &builds.reason {
        let message = format!("builds are not routed to the sidecar: {reason}");
        let hint = builds.hint.as_deref().unwrap_or("check again with `moat status`");
        tell(Event::Warning { run: &graph.run, message: &message, hint });
    }
    Some(builds)
}

impl Apply {
    fn options(&self, engine: &Docker) -> Options {
        let wait_timeout = self.wait_timeout.map(|seconds| Duration::from_secs(seconds.into()));
        Options { wait_timeout, ..self.addresses.options(engine) }
    }

    fn on_failure(&self) -> OnFailure {
        if self.keep_on_failure { OnFailure::Keep } else { OnFailure::Undo }
    }
}

/// The command line for a command in the sandbox of a spec.
fn exec(spec: &Path) -> String {
    if spec == Path::new(default_spec::path()) {
        "moat exec".to_owned()
    } else {
        format!("moat exec {}", spec.display())
    }
}

//! `moat apply`: from the file to a world that is as it says.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::approval::Approving;
use crate::cli::args::locking::Locking;
use crate::cli::args::specs::Specs;
use crate::cli::args::subnets::Addresses;
use crate::cli::asking::Asking;
use crate::cli::commands::plan;
use crate::cli::commands::watch::{self, Wanted, Watching};
use crate::cli::credentials::Notice;
use crate::cli::end::End;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::history_writer::HistoryWriter;
use crate::cli::interrupt::{interruptible, unless};
use crate::cli::load::{Agent, Load};
use crate::cli::nearest;
use crate::cli::record::Record;
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
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
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

/// Who brings sandboxes about, and what all of them share.
pub(in crate::cli) struct By<'a> {
    /// As it is called.
    pub command: &'static str,
    pub locking: &'a Locking,
    pub record: &'a Record<'a>,
    pub claims: &'a Claims,
    pub stop: &'a CancellationToken,
    /// Whether tags are looked up in their registries.
    pub pull: bool,
    /// The plan that has to hold still.
    pub saved: Option<&'a Saved>,
    pub asking: &'a Asking<'a>,
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
        let how = Wanted { specs, wait_timeout: *wait_timeout, approving, asks: true, addresses, locking, watching };
        return watch::watch_as(&how, session).await;
    }
    if args.dry_run {
        let Apply { specs, pull, addresses, json, .. } = args;
        let wanted = plan::Wanted { specs, out: None, detailed_exitcode: false, pull: *pull, addresses, json: *json };
        return plan::show(&wanted, session).await;
    }
    let specs = saved.as_ref().map_or_else(|| args.specs.paths(), Saved::specs);
    let (fleet, engine) = Selection::find(session, &specs, Load::Full).await?;
    let options = args.options(&engine);
    if let Some(saved) = &saved {
        saved.is_of(fleet.agents(), &engine)?;
    }
    let record = Record::open("apply", &engine)?;
    let (stop, claims) = (CancellationToken::new(), Claims::default());
    let (pull, saved) = (args.pull || saved.as_ref().is_some_and(Saved::pulls), saved.as_ref());
    let (locking, record, claims, stop) = (&args.locking, &record, &claims, &stop);
    let asking = &Asking::new(session, args.yes);
    let by = By { command: "apply", locking, record, claims, stop, pull, saved, asking };
    let work = async {
        let fleet = unless(stop, fleet.pass(&args.approving, &engine, record)).await?;
        // Of all before anything is done to any; of each again once it is locked.
        for agent in fleet.agents() {
            if let Some(saved) = saved {
                saved.holds(&agent.graph, &options, &engine).await?;
            }
        }
        let one = async |agent: &Agent, to: Reporter<'_>| {
            one(&engine, agent, (options.clone(), args.on_failure()), &by, to).await
        };
        fleet.work(one).await
    };
    record.closed(Box::pin(interruptible(&session.screen, stop, work)).await)
}

/// Brings the sandbox of one agent about, and tells how that ended.
pub(in crate::cli) async fn one(
    engine: &Docker,
    agent: &Agent,
    (mut options, on_failure): (Options, OnFailure),
    by: &By<'_>,
    reporter: Reporter<'_>,
) -> Result<Exit, CliError> {
    let chronicle = HistoryWriter::begin(engine, by.command);
    let graph = &agent.graph;
    let audited = by.record.of(graph);
    let told = |event: Event<'_>| {
        audited.note(&event);
        chronicle.note(&event);
        reporter.tell(&event);
    };
    let notice = Notice::new(engine);
    let tell = |event: Event<'_>| {
        told(event.clone());
        notice.after(&event, &told);
    };
    let _lock = by.locking.lock(by.command, &graph.run, engine, &tell, by.stop).await?;
    if by.pull {
        options.registry = registry(&audited, graph, &tell).await;
    }
    if let Some(saved) = by.saved {
        saved.holds(graph, &options, engine).await?;
    }
    let agrees =
        async |observed: &Observed, plan: &Plan| by.asking.of_sessions(&audited, graph, observed, plan, &tell).await;
    let terms = Terms { claims: by.claims, on_failure, agrees };
    let outcome = until_converged_on(&audited, graph, options, terms, &tell, by.stop).await?;
    let outcome = by.asking.heeded(outcome)?;
    let (builds, exec) = (builds(&audited, graph, &outcome, &tell).await, exec(&agent.given));
    let end = match &outcome {
        Outcome::Converged { observed, changed } => End::converged(graph, (observed, *changed), builds.as_ref(), &exec),
        failure => End::unsuccessful(&audited, graph, failure, Command::Apply).await,
    };
    end.tell(&graph.run, reporter, &chronicle).await
}

/// What the registries say, with a warning for each image of which they say nothing.
async fn registry<E: Engine>(engine: &E, graph: &Graph, tell: Tell<'_>) -> BTreeMap<ImageRef, ImageDigest> {
    let found = registry::ask(engine, graph).await;
    for (reference, why) in &found.kept {
        let (message, hint) = registry::words(reference, why);
        tell(Event::Warning { run: &graph.run, message: &message, hint: &hint });
    }
    found.digests
}

/// Where builds go, with a warning if that is not where they should.
///
/// A world in which nothing has changed is not asked: an apply that has nothing to do costs nothing.
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

/// The words with which a command is run in the sandbox of a spec.
fn exec(spec: &Path) -> String {
    if spec == Path::new(nearest::spec()) { "moat exec".to_owned() } else { format!("moat exec {}", spec.display()) }
}

//! `moat clean`: destroys runs whose spec no longer exists.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf, absolute};

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use tokio_util::sync::CancellationToken;

use crate::cli::approval;
use crate::cli::args::locking::Locking;
use crate::cli::candidates::agents;
use crate::cli::commands::destroy;
use crate::cli::commands::list::row;
use crate::cli::confirm::Confirm;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::interrupt::interruptible;
use crate::cli::load::Agent;
use crate::cli::record::{Confirmation, Record};
use crate::cli::runner::Runner;
use crate::cli::selection::Selection;
use crate::cli::session::Session;
use crate::cli::spec_files::DEFAULT_SPEC;
use crate::cli::target::is_path;
use crate::observe::runs::{Found, runs};
use crate::reconcile::Claims;
use crate::ui::render::list::{self, Row, RunStatus};
use crate::ui::render::outcome::Command;
use crate::ui::terminal::ask;
use moat_model::graph::Graph;
use moat_model::resource::{Retention, Run};
use moat_plan::Volumes;
use moat_spec::suggest;

/// Remove sandboxes whose spec no longer exists
///
/// Lists the sandboxes and asks for confirmation. A spec that names another agent counts as missing. Only files on this
/// host are checked, so a sandbox that was applied to the same engine from another host is listed as well.
#[derive(Debug, Args)]
pub struct Clean {
    /// Limit to these agent names, run ids or spec paths
    #[arg(value_name = "AGENT", add = ArgValueCandidates::new(agents))]
    agents: Vec<String>,
    /// Also delete the volumes that are normally kept
    #[arg(long)]
    volumes: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    locking: Locking,
    /// Print events as JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Clean, session: &Session) -> Result<Exit, CliError> {
    let engine = session.connect().await?;
    let found = runs(&engine).await?;
    let (orphans, others): (Vec<Row<'_>>, Vec<Row<'_>>) =
        found.iter().map(row).filter(|row| args.is_about(row)).partition(|row| row.orphaned.is_some());
    args.known(&found)?;
    if !args.agents.is_empty() {
        for row in &others {
            session
                .screen
                .say(&format!("{} still has its spec: `moat destroy {}` removes it\n", row.run.agent, row.run.id));
        }
    }
    let shown = list::removal(&orphans, |name| !args.volumes && is_kept(&found, name));
    // Printed even with `--quiet`, since the question refers to it.
    if args.yes {
        session.screen.say(&shown);
    } else {
        session.screen.alert(&shown);
    }
    // A run with only kept volumes has been cleaned before.
    let has_work = |row: &Row<'_>| args.volumes || RunStatus::of(row.observed) != RunStatus::Kept || has_scratch(row);
    let targets: Vec<&Row<'_>> = orphans.iter().filter(|row| has_work(row)).collect();
    if targets.is_empty() {
        let more = if orphans.is_empty() { "" } else { ": `--volumes` deletes the kept volumes with their data" };
        session.screen.say(&format!("nothing to clean{more}\n"));
        return Ok(Exit::Done);
    }
    if !args.yes {
        match ask::consent(&session.screen, &format!("{} sandboxes will be removed", targets.len())) {
            Some(true) => {}
            Some(false) => return Err(CliError::Declined),
            None => return Err(CliError::NoTerminal),
        }
    }
    let record = Record::open("clean", &engine)?;
    for row in &targets {
        let what = if args.volumes { "run and volumes" } else { "run" };
        record.consent(row.run, &Confirmation::Lose(what), if args.yes { "--yes" } else { "asked" })?;
    }
    let agent = |row: &&Row<'_>| Agent::known(Graph::empty(row.run.clone()), PathBuf::from(&row.run.spec));
    let selection = Selection::of(session, targets.iter().map(agent).collect());
    let volumes = if args.volumes { Volumes::All } else { Volumes::Scratch(BTreeMap::new()) };
    // Confirmed above.
    let (stop, confirm) = (&CancellationToken::new(), &Confirm::new(session, true));
    let (command, engine, locking, record) = (Command::Clean, &engine, &args.locking, &record);
    let runner = Runner { command, engine, locking, record, confirm, stop, claims: Claims::default() };
    let work = selection.work(async |agent, reporter| {
        runner.run(destroy::removal(&agent.graph, volumes.clone(), None), reporter).await
    });
    let exit = record.closed(Box::pin(interruptible(&session.screen, stop, work)).await)?;
    if exit == Exit::Done {
        for row in &targets {
            // A stale approval is harmless: it only compares a later spec with an older one.
            let _ = approval::place(row.run).map(|it| it.forget());
        }
    }
    Ok(exit)
}

impl Clean {
    fn is_about(&self, row: &Row<'_>) -> bool {
        self.agents.is_empty() || self.agents.iter().any(|name| is_named(row.run, name))
    }

    /// Checks that each name belongs to an existing run.
    fn known(&self, found: &[Found]) -> Result<(), CliError> {
        for name in &self.agents {
            if found.iter().any(|it| is_named(&it.run, name)) {
                continue;
            }
            let names = found.iter().flat_map(|it| [it.run.agent.as_str(), it.run.id.as_str()]);
            let meant = suggest(name, names).map(str::to_owned);
            return Err(CliError::UnknownAgent { name: name.clone(), meant, is_container: false });
        }
        Ok(())
    }
}

/// Returns whether a name or path refers to a run. The file may be missing, so its directory is resolved.
fn is_named(run: &Run, name: &str) -> bool {
    if !is_path(name) {
        return name == run.id.as_str() || name == run.agent.as_str();
    }
    let path = Path::new(name);
    let file = if path.is_dir() { path.join(DEFAULT_SPEC) } else { path.to_owned() };
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (folder, name) = (folder.canonicalize().or_else(|_| absolute(folder)), file.file_name());
    folder.is_ok_and(|folder| name.is_some_and(|name| folder.join(name) == Path::new(&run.spec)))
}

fn is_kept(found: &[Found], name: &str) -> bool {
    let mut volumes = found.iter().flat_map(|it| &it.observed.volumes);
    volumes.any(|it| it.name == name && it.owner.as_ref().is_some_and(|owner| owner.retention == Retention::Keep))
}

fn has_scratch(row: &Row<'_>) -> bool {
    let mut owners = row.observed.volumes.iter().filter_map(|it| it.owner.as_ref());
    owners.any(|owner| owner.retention == Retention::Scratch)
}

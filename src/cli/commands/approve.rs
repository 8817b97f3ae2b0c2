//! `moat approve`: approves a spec for a watch that holds it and for later commands.

use clap::Args;

use crate::cli::approval::{ApprovalCheck, Verdict, approve, place};
use crate::cli::args::specs::Specs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::load::Load;
use crate::cli::record::{Confirmation, Record};
use crate::cli::selection::Selection;
use crate::cli::session::Session;
use crate::ui::json::documents;
use crate::ui::json::documents::Answer;
use crate::ui::terminal::ask;
use moat_docker::Docker;

/// Approve the extra privileges a spec asks for
///
/// The approval applies to a running `moat watch` and to later commands.
#[derive(Debug, Args)]
pub struct Approve {
    #[command(flatten)]
    specs: Specs,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    /// Discard earlier approvals
    #[arg(long, conflicts_with = "yes")]
    forget: bool,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Approve, session: &Session) -> Result<Exit, CliError> {
    let depth = if args.forget { Load::Identity } else { Load::Full };
    let (selection, engine) = Selection::find(session, &args.specs.paths(), depth).await?;
    let record = Record::open("approve", &engine)?;
    let work = async {
        if args.forget {
            forget(args, session, &selection, &record)
        } else {
            give(args, session, &selection, &engine, &record).await
        }
    };
    record.closed(work.await)
}

async fn give(
    args: &Approve,
    session: &Session,
    selection: &Selection<'_>,
    engine: &Docker,
    record: &Record<'_>,
) -> Result<Exit, CliError> {
    let check = ApprovalCheck::new(engine);
    let mut all = Vec::new();
    for named in selection.agents() {
        let (agent, verdict) = check.check(named.clone()).await?;
        let run = &named.graph.run;
        let Verdict::Asks(asks) = verdict else {
            if let Some(resolved) = &agent.resolved {
                approve(run, resolved, false)?;
            }
            all.push(Answer::of(run, Vec::new()));
            session.screen.say(&format!("{}: nothing to approve\n", run.agent));
            continue;
        };
        let asks = asks.of(&agent);
        match if args.yes { Some(true) } else { ask::consent(&session.screen, &asks.message()) } {
            Some(true) => {}
            Some(false) => return Err(CliError::Declined),
            None => {
                session.screen.alert(&format!("{}\n", asks.message()));
                return Err(CliError::NoTerminal);
            }
        }
        record.consent(run, &Confirmation::Give(&asks.asks), if args.yes { "--yes" } else { "asked" })?;
        if let Some(resolved) = &agent.resolved {
            approve(run, resolved, true)?;
        }
        let list = asks.asks.iter().fold(String::new(), |list, line| list + "\n  + " + line);
        session.screen.say(&format!("{}: approved{}\n", run.agent, if args.yes { &list } else { "" }));
        all.push(Answer::of(run, asks.asks));
    }
    if args.json {
        session.answer(&documents::approved(&all))?;
    }
    Ok(Exit::Done)
}

/// Discards the stored approvals. Those in the labels of resources are kept.
fn forget(args: &Approve, session: &Session, selection: &Selection<'_>, record: &Record<'_>) -> Result<Exit, CliError> {
    let mut all = Vec::new();
    for agent in selection.agents() {
        let run = &agent.graph.run;
        let approval = place(run).ok_or(CliError::NoStateDir)?;
        record.consent(run, &Confirmation::Lose("approvals"), "--forget")?;
        approval.forget().map_err(CliError::Output)?;
        session.screen.say(&format!("{}: approvals discarded\n", run.agent));
        all.push(Answer::of(run, Vec::new()));
    }
    if args.json {
        session.answer(&documents::approved(&all))?;
    }
    Ok(Exit::Done)
}

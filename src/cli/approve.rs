//! `moat approve`: lets a watch do what it holds.

use std::path::Path;

use clap::Args;

use super::error::CliError;
use super::exit::Exit;
use super::fleet::Fleet;
use super::load::{Agent, Depth};
use super::record::{Consent, Record, own_files};
use super::session::Session;
use super::specs::Specs;
use crate::engine::docker::Docker;
use crate::observe::observe;
use crate::store::approval::Approval;
use crate::store::watching::Watching;
use crate::ui::answers::Answer;
use crate::ui::{answers, ask};
use crate::watch::consent::more_than_applied;

/// Let `moat watch` do what the spec asks for beyond what the sandbox has
#[derive(Debug, Args)]
pub struct Approve {
    #[command(flatten)]
    specs: Specs,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// One JSON document in place of text
    #[arg(long)]
    pub(super) json: bool,
}

pub async fn run(args: &Approve, session: &Session) -> Result<Exit, CliError> {
    let (fleet, engine) = Fleet::find(session, &args.specs.paths(), Depth::Whole).await?;
    let dir = own_files().ok_or(CliError::NoPlace)?;
    let record = Record::open("approve", &engine)?;
    record.closed(approve(args, session, &fleet, &engine, &record, &dir).await)
}

async fn approve(
    args: &Approve,
    session: &Session,
    fleet: &Fleet<'_>,
    engine: &Docker,
    record: &Record<'_>,
    dir: &Path,
) -> Result<Exit, CliError> {
    let mut all = Vec::new();
    for agent in fleet.agents() {
        let run = &agent.graph.run;
        let address = engine.located().endpoint.to_string();
        let watch = Watching::of(dir, &run.id, &address).read();
        let more = match watch {
            Some((_, note)) => note.held,
            // One that begins later measures the spec against what is there.
            None => asked_for(engine, agent).await?,
        };
        if more.is_empty() {
            all.push(Answer::of(run, more));
            session.screen.say(&format!("{}: there is nothing to approve\n", run.agent));
            continue;
        }
        let list = more.iter().fold(String::new(), |list, line| list + "\n  + " + line);
        let message = format!("`{}` asks for more than its sandbox has:{list}", run.agent);
        match if args.yes { Some(true) } else { ask::consent(&session.screen, &message) } {
            Some(true) => {}
            Some(false) => return Err(CliError::Declined),
            None => {
                session.screen.alert(&format!("{message}\n"));
                return Err(CliError::NobodyToAsk);
            }
        }
        record.consent(run, &Consent::Give(&more), if args.yes { "--yes" } else { "asked" })?;
        Approval::of(dir, &run.id, &address).give(&agent.graph.digest()).map_err(CliError::Output)?;
        session.screen.say(&format!("{}: approved{}\n", run.agent, if args.yes { list } else { String::new() }));
        all.push(Answer::of(run, more));
    }
    if args.json {
        session.answer(&answers::approved(&all))?;
    }
    Ok(Exit::Done)
}

async fn asked_for(engine: &Docker, agent: &Agent) -> Result<Vec<String>, CliError> {
    let observed = observe(engine, &agent.graph).await?;
    Ok(more_than_applied(&observed, &agent.graph))
}

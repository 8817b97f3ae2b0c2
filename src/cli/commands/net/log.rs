//! `moat net log`: the decisions of a sandbox's gateway.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use tokio::time::interval;

use crate::cli::commands::logs::since;
use crate::cli::decisions::{DecisionLog, after, is_since};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::ui::render::net::log::{Shown, connections};
use moat_gateway::LogLine;

/// Show what the gateway allowed and denied
///
/// TIME is a date or time, as in `2026-01-02` or `2026-01-02T03:04:05Z`, or an age, as in `10m` or `2d`.
#[derive(Debug, Args)]
pub struct Log {
    #[command(flatten)]
    target: Target,
    /// Follow new entries, also across restarts of the gateway
    #[arg(short, long)]
    follow: bool,
    /// Show only entries after TIME
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Show only the last ENTRIES entries
    #[arg(short = 'n', long, value_name = "ENTRIES")]
    tail: Option<usize>,
    /// Print JSON lines
    #[arg(long)]
    pub(super) json: bool,
}

/// The polling interval. An unchanged log costs two small calls.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub async fn run(args: &Log, session: &Session) -> Result<Exit, CliError> {
    let named = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?.present()?;
    let mut log = DecisionLog::of(&engine, &sandbox.run, &sandbox.observed.containers)?;
    let all = log.read().await?;
    let shown = Shown { run: &sandbox.run, json: args.json, colour: session.screen.data_colour() };
    let wanted = all.iter().filter(|line| is_since(line, args.since)).cloned();
    // For people a connection is one line. With `--follow` its end is not known at its start.
    let lines: Vec<LogLine> = if args.json || args.follow { wanted.collect() } else { connections(wanted) };
    let surplus = args.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
    let is_empty = lines.len() == surplus;
    let text: String = lines[surplus..].iter().map(|line| shown.line(line)).collect();
    if !session.screen.write_stream(&text).map_err(CliError::Output)? {
        return Ok(Exit::Done);
    }
    if !args.follow {
        if is_empty {
            session.screen.say("the gateway has logged no matching decision\n");
        }
        return Ok(Exit::Done);
    }
    let mut last = all.last().cloned();
    let mut look = interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let Some(all) = log.changed().await? else { continue };
        let text: String = after(&all, last.as_ref()).iter().map(|line| shown.line(line)).collect();
        if !session.screen.write_stream(&text).map_err(CliError::Output)? {
            return Ok(Exit::Done);
        }
        last = all.last().cloned().or(last);
    }
}

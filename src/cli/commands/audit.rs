//! `moat audit`: shows, verifies, exports and rotates the audit log. Works without an engine.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;
use jiff::Timestamp;

use crate::audit::read::entries;
use crate::audit::transport::{export, verify_bundle};
use crate::audit::{Audit, AuditError, Entry, PublicKey, verify};
use crate::cli::candidates::agents;
use crate::cli::commands::logs::since;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::record::{audit_dir, writer};
use crate::cli::session::Session;
use crate::ui;
use crate::ui::render::audit::Row;
use moat_spec::suggest;

/// Show, verify, export or rotate the audit log
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditCommand {
    #[command(subcommand)]
    what: Option<What>,
    /// Limit to this agent or run id
    #[arg(short, long, value_name = "AGENT", add = ArgValueCandidates::new(agents))]
    agent: Option<String>,
    /// Limit to an event, as in `container_created` (repeatable)
    #[arg(short, long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// Show only entries after a time or an age, as in `10m`
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Show only entries that are failed, unknown or open
    #[arg(long)]
    failed: bool,
    /// Show only the last ENTRIES entries
    #[arg(short = 'n', long, value_name = "ENTRIES")]
    tail: Option<usize>,
    /// Print the entries as a JSON document, without verifying
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check the log for tampering; exit with 1 if it is broken
    ///
    /// Detects entries that were changed, dropped, moved, inserted or cut off.
    Verify(Verify),
    /// Write a bundle that can be verified on another host
    Export(Export),
    /// Archive the log and start a new one
    ///
    /// For a log that is broken, too large, or whose key is lost. Nothing is deleted.
    Rotate(Rotate),
}

#[derive(Debug, Args)]
struct Verify {
    /// Exported bundle [default: the log of this host]
    #[arg(value_name = "BUNDLE")]
    bundle: Option<PathBuf>,
    /// Public key that must have signed, as `export` prints it
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Option<PublicKey>,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Export {
    /// File to create
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Rotate {
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

impl AuditCommand {
    pub(in crate::cli) fn json(&self) -> bool {
        match &self.what {
            None => self.json,
            Some(What::Verify(args)) => args.json,
            Some(What::Export(args)) => args.json,
            Some(What::Rotate(args)) => args.json,
        }
    }
}

pub fn run(args: &AuditCommand, session: &Session) -> Result<Exit, CliError> {
    match &args.what {
        None => list(args, session),
        Some(What::Verify(args)) => verified(args, session),
        Some(What::Export(args)) => {
            let key = export(&audit_dir()?, &args.to)?;
            session.answer(&ui::render::audit::exported(
                &args.to.display().to_string(),
                &key.to_string(),
                args.json,
            ))?;
            Ok(Exit::Done)
        }
        Some(What::Rotate(args)) => {
            let audit = Audit::rotate(&audit_dir()?, writer("audit"))?;
            session.answer(&ui::render::audit::rotated(&audit.public_key().to_string(), args.json))?;
            Ok(Exit::Done)
        }
    }
}

fn list(args: &AuditCommand, session: &Session) -> Result<Exit, CliError> {
    let all = entries(&audit_dir()?)?;
    let mut shown: Vec<Row<'_>> = all.iter().filter(|it| it.body.of.is_none()).map(|it| row(it, &all)).collect();
    if let Some(agent) = args.agent.as_deref()
        && shown.iter().all(|row| !is_about(row, agent))
    {
        let meant =
            suggest(agent, shown.iter().flat_map(|row| row.agent.into_iter().chain(row.run))).map(str::to_owned);
        return Err(CliError::NoRecord { name: agent.to_owned(), meant });
    }
    shown.retain(|row| args.matches(row));
    let surplus = args.tail.map_or(0, |tail| shown.len().saturating_sub(tail));
    let shown = &shown[surplus..];
    session.answer(&if args.json {
        ui::render::audit::json(shown)
    } else {
        ui::render::audit::text(shown, session.screen.data_colour())
    })?;
    if shown.is_empty() {
        session.screen.say("the audit log has no matching entries\n");
    }
    Ok(Exit::Done)
}

/// A row for an intent with its outcome, or for a fact.
fn row<'a>(entry: &'a Entry, all: &'a [Entry]) -> Row<'a> {
    let after = all.iter().skip(usize::try_from(entry.seq).unwrap_or(usize::MAX));
    let outcome = after.into_iter().find(|it| it.body.of == Some(entry.seq));
    let body = &entry.body;
    Row {
        seq: entry.seq,
        time: &body.time,
        event: &body.event,
        run: body.run.as_deref(),
        agent: body.agent.as_deref(),
        engine: body.engine.as_deref(),
        command: &body.command,
        is_intent: body.phase == crate::audit::Phase::Intent,
        result: outcome.and_then(|it| it.body.result).map(crate::audit::Verdict::as_str),
        data: &body.data,
        outcome_data: outcome.map(|it| &it.body.data),
    }
}

impl AuditCommand {
    fn matches(&self, row: &Row<'_>) -> bool {
        let agent = self.agent.as_deref().is_none_or(|agent| is_about(row, agent));
        let event = self.events.is_empty() || self.events.iter().any(|event| event == row.event);
        let since = self.since.is_none_or(|since| row.time.parse::<Timestamp>().is_ok_and(|time| time >= since));
        agent && event && since && (!self.failed || row.is_bad())
    }
}

fn is_about(row: &Row<'_>, agent: &str) -> bool {
    row.agent == Some(agent) || row.run == Some(agent)
}

fn verified(args: &Verify, session: &Session) -> Result<Exit, CliError> {
    let verified = match &args.bundle {
        Some(bundle) => verify_bundle(bundle, args.key.as_ref()),
        None => verify(&audit_dir()?, args.key.as_ref()),
    };
    match verified {
        Ok(good) => {
            let key = good.key.to_string();
            session.answer(&ui::render::audit::verified(good.entries, good.open, good.torn, &key, args.json))?;
            Ok(Exit::Done)
        }
        Err(AuditError::Broken(broken)) => {
            let (entry, why) = (broken.entry, broken.why.as_str());
            let text = ui::render::audit::broken(entry, why, args.json, session.screen.data_colour());
            session.answer(&text)?;
            Ok(Exit::Failed)
        }
        Err(error) => Err(error.into()),
    }
}

fn key(text: &str) -> Result<PublicKey, String> {
    PublicKey::parse(text).ok_or_else(|| format!("`{text}` is not a public key (64 hexadecimal digits)"))
}

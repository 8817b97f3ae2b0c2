//! `moat attach`: attaches to the main command of a container.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use serde_json::json;

use crate::cli::candidates::containers;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::ui;
use moat_docker::{Attached, DetachKeys};

/// Attach to the main command of the sandbox
///
/// Standard input is passed to the command if the spec has `interactive: true`. With a terminal, Ctrl-C is sent to the
/// command; without one, it detaches. `moat exec` runs another command beside it.
#[derive(Debug, Args)]
pub struct Attach {
    #[command(flatten)]
    target: Target,
    /// Container of the sandbox
    #[arg(short, long, value_name = "NAME", default_value = "main", add = ArgValueCandidates::new(containers))]
    container: String,
    /// Keys that detach and leave the command running
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: DetachKeys,
    /// Do not pass standard input
    #[arg(long)]
    no_stdin: bool,
    /// Wait, then print the end of the output and exit code as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The event in the audit log.
const ATTACHED: &str = "attached";

pub async fn run(args: &Attach, session: &Session) -> Result<Exit, CliError> {
    let target = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = target.find(&engine).await?;
    let container = sandbox.running(&args.container)?.id.clone();
    let audit_data = json!({ "id": container, "resource": format!("container/{}", args.container) });
    let record = Record::open("attach", &engine)?;
    if args.json {
        let work = async { Ok(Box::pin(engine.capture_main(&container)).await?) };
        let ended = record.session(&sandbox.run, ATTACHED, audit_data, work, |ended| Some(ended.exit_code)).await?;
        session.answer(&ui::render::exec::json(&ended))?;
        return Ok(u8::try_from(ended.exit_code).map_or(Exit::Failed, Exit::Of));
    }
    let work = async {
        let attached = Box::pin(engine.attach_main(&container, Some(&args.detach_keys), !args.no_stdin)).await;
        Ok(attached?)
    };
    let code = |attached: &Attached| match attached {
        Attached::Ended(code) => Some(*code),
        Attached::Left => None,
    };
    match record.session(&sandbox.run, ATTACHED, audit_data, work, code).await? {
        // An exit code of a process always fits.
        Attached::Ended(code) => Ok(u8::try_from(code).map_or(Exit::Failed, Exit::Of)),
        Attached::Left => {
            session.screen.say("\ndetached; the command keeps running\n");
            Ok(Exit::Done)
        }
    }
}

//! `moat attach`: attaches to a session that is held in the sandbox, or to the main command of a container.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use serde_json::json;
use tokio::time::Instant;

use crate::cli::args::exec_args::owner;
use crate::cli::candidates::containers;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::held::{DETACH_KEYS, HeldSessions, code_of};
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::ui;
use moat_docker::{Attached, DetachKeys};
use moat_model::resource::ResourceId;
use moat_session::{Session as HeldSession, State};

/// Attach to a session or the main command of the sandbox
///
/// Connects to the session of a coding agent if one is running, and otherwise to the main command. An end that nobody saw
/// is reported once, with the exit code. Standard input is passed to a main command if the spec has `interactive: true`.
/// With a terminal, Ctrl-C is sent to the command; without one, it detaches. `moat exec` runs another command beside it.
#[derive(Debug, Args)]
pub struct Attach {
    #[command(flatten)]
    target: Target,
    /// Session, as `moat sessions` lists it
    #[arg(short, long, value_name = "NAME", conflicts_with_all = ["container", "json"])]
    session: Option<String>,
    /// Attach to the main command of this container [default: main]
    #[arg(short, long, value_name = "NAME", add = ArgValueCandidates::new(containers))]
    container: Option<String>,
    /// Keys that detach and leave the command running
    #[arg(long, value_name = "KEYS", default_value = DETACH_KEYS)]
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
    let main = ResourceId::main().name;
    let name = args.container.as_ref().unwrap_or(&main);
    let facts = sandbox.running(name)?;
    let container = facts.id.clone();
    if args.container.is_none() && !args.json {
        let user = owner(&engine, facts).await;
        let held = HeldSessions { engine: &engine, run: &sandbox.run, container: &container, user };
        if let Some(exit) = Box::pin(to_session(args, &held, session)).await? {
            return Ok(exit);
        }
    }
    let audit_data = json!({ "id": container, "resource": format!("container/{name}") });
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

/// Attaches to a session. `None`: there is none to attach to, and none was asked for.
async fn to_session(args: &Attach, held: &HeldSessions<'_>, session: &Session) -> Result<Option<Exit>, CliError> {
    let all = held.list().await?.unwrap_or_default();
    let Some(it) = choose(&all, args.session.as_deref())? else { return Ok(None) };
    if it.state != State::Running {
        return held.report(it, session).await.map(Some);
    }
    let name = &it.facts.name;
    let audit_data = json!({ "id": held.container, "session": name });
    let began = Instant::now();
    let work = held.attach(name, &args.detach_keys, !args.no_stdin, session);
    let record = Record::open("attach", held.engine)?;
    let ended = record.session(held.run, ATTACHED, audit_data, work, code_of).await?;
    held.after(name, ended, began, session).await.map(Some)
}

/// The session with a name; without one the only one that runs, or else the last end that nobody saw.
fn choose<'a>(all: &'a [HeldSession], name: Option<&str>) -> Result<Option<&'a HeldSession>, CliError> {
    let names =
        |all: &[&HeldSession]| all.iter().map(|it| format!("`{}`", it.facts.name)).collect::<Vec<_>>().join(", ");
    if let Some(name) = name {
        let Some(found) = all.iter().find(|it| it.facts.name == name) else {
            let known = names(&all.iter().collect::<Vec<_>>());
            let hint = if all.is_empty() { "there are no sessions".to_owned() } else { format!("known: {known}") };
            return Err(CliError::Usage { message: format!("no session `{name}`"), hint });
        };
        return Ok(Some(found));
    }
    let running: Vec<&HeldSession> = all.iter().filter(|it| it.state == State::Running).collect();
    match running[..] {
        [] => Ok(all.iter().rev().find(|it| !it.facts.seen)),
        [only] => Ok(Some(only)),
        _ => Err(CliError::Usage {
            message: "several sessions are running".to_owned(),
            hint: format!("select one with `--session`: {}", names(&running)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use moat_session::Facts;

    use super::*;

    fn session(name: &str, state: State, seen: bool) -> HeldSession {
        let name = name.to_owned();
        HeldSession { facts: Facts { name, program: String::new(), started: 0, attached: 0, ended: None, seen }, state }
    }

    #[test]
    fn the_only_running_session_or_an_unseen_end_is_chosen() {
        use State::{Ended, Running};
        let chosen = |all: &[HeldSession], name: Option<&str>| {
            choose(all, name).map(|it| it.map(|it| it.facts.name.clone())).map_err(|error| error.to_string())
        };
        let name = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(chosen(&[], None), Ok(None));
        let one = [session("a", Ended, false), session("b", Running, false), session("c", Ended, true)];
        assert_eq!(chosen(&one, None), name("b"));
        assert_eq!(chosen(&one, Some("c")), name("c"));
        assert_eq!(chosen(&one, Some("d")), Err("no session `d`".to_owned()));
        let two = [session("a", Running, false), session("b", Running, true)];
        assert_eq!(chosen(&two, None), Err("several sessions are running".to_owned()));
        assert_eq!(chosen(&two, Some("b")), name("b"));
        let none = [session("a", Ended, false), session("b", State::Lost, false), session("c", Ended, true)];
        assert_eq!(chosen(&none, None), name("b"));
        assert_eq!(chosen(&[session("a", Ended, true)], None), Ok(None));
    }
}

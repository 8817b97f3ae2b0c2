//! `moat history`: past commands of moat on a sandbox. Works without an engine.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::candidates::agents;
use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::state_directory::state_directory;
use crate::cli::target::{Named, named};
use crate::history::Line;
use crate::history::read::{lines, records};
use crate::ui;
use crate::ui::render::history::{Row, Step};
use moat_spec::suggest;

/// Show past commands with causes, results and durations
#[derive(Debug, Args)]
pub struct History {
    /// Agent name, run id, or spec file or directory
    #[arg(value_name = "AGENT", default_value = default_spec::path(), add = ArgValueCandidates::new(agents))]
    agent: String,
    /// Show the history of all sandboxes
    #[arg(short, long, conflicts_with = "agent")]
    all: bool,
    /// Show only the last COMMANDS commands
    #[arg(short = 'n', long, value_name = "COMMANDS")]
    tail: Option<usize>,
    /// Also show the steps of each command
    #[arg(short, long)]
    steps: bool,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub fn run(args: &History, session: &Session) -> Result<Exit, CliError> {
    let Some(dir) = state_directory() else {
        let message = "no directory for the history".to_owned();
        return Err(CliError::Refused { message, hint: "set `MOAT_STATE_DIR`".to_owned() });
    };
    let wanted = if args.all { None } else { Some(named(&args.agent)?) };
    let mut found = match &wanted {
        None => lines(&dir, |_| true),
        Some(Named::Spec(agent)) => lines(&dir, |run| run == agent.graph.run.id.as_str()),
        Some(Named::Applied { run: wanted, .. }) => lines(&dir, |run| run == wanted),
        Some(Named::Name(name)) => {
            // A run id is the agent's name and a digest.
            lines(&dir, |run| run == name || run.rsplit_once('-').is_some_and(|(agent, _)| agent == name))
        }
    };
    if let (Some(Named::Name(name)), true) = (&wanted, found.lines.is_empty()) {
        let (known, _) = records(&dir);
        let names = known.iter().flat_map(|record| [record.name.as_str(), record.run.as_str()]);
        let meant = suggest(name, names).map(str::to_owned);
        return Err(CliError::NoRecord { name: name.clone(), meant });
    }
    let surplus = args.tail.map_or(0, |tail| found.lines.len().saturating_sub(tail));
    found.lines.drain(..surplus);
    let several = !matches!(wanted, Some(Named::Spec(_) | Named::Applied { .. }));
    let colour = session.screen.data_colour();
    let text = if args.json {
        ui::json(&found.lines)
    } else {
        ui::render::history::text(&found.lines.iter().map(row).collect::<Vec<_>>(), several, args.steps, colour)
    };
    session.answer(&text)?;
    for warning in &found.warnings {
        session.screen.alert(&ui::render::history::warning(warning, session.screen.colour()));
    }
    if found.lines.is_empty() {
        session.screen.say("no history yet\n");
    }
    Ok(Exit::Done)
}

fn row(line: &Line) -> Row {
    let steps = line.rounds.iter().flat_map(|round| &round.operations).map(|step| Step {
        what: format!("{} {} {}", step.action, step.resource.split('/').next().unwrap_or_default(), step.name),
        cause: step.cause.clone(),
        result: step.result.clone(),
        took_ms: step.took_ms,
    });
    Row {
        time: line.time.clone(),
        run: line.run.clone(),
        trigger: line.trigger.clone(),
        outcome: line.outcome.clone(),
        good: line.exit_code == 0,
        state: line.state.clone().unwrap_or_else(|| "-".to_owned()),
        done: line.done(),
        took_ms: line.took_ms,
        errors: line.errors.iter().map(|it| (it.message.clone(), it.hint.clone())).collect(),
        steps: steps.collect(),
    }
}

//! `moat agent`: applies the spec, then starts a coding agent in the sandbox, as `moat run` runs a command.
//!
//! Without a spec, proposes one for this folder. Which agents there are, and how they start, is data: see `specs/`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::args::change_args::ChangeArgs;
use crate::cli::args::exec_args::ExecArgs;
use crate::cli::candidates::agents;
use crate::cli::capabilities::capabilities;
use crate::cli::commands::init;
use crate::cli::commands::run::Run;
use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::held::DETACH_KEYS;
use crate::cli::load::{self, Agent, Load};
use crate::cli::selection::Selection;
use crate::cli::session::Session;
use crate::cli::spec_files::DEFAULT_SPEC;
use crate::cli::target::is_path;
use crate::local;
use crate::ui::terminal::ask;
use moat_docker::DetachKeys;
use moat_spec::environment::Inputs;
use moat_spec::{AgentPart, Capabilities, Capability, NOTE_MARK, agent_template, grant_source, suggest};

/// Start a coding agent in the sandbox
///
/// Applies the nearest `agent.yaml`, or creates one for this folder, and runs the agent on this terminal, in a session that
/// outlives it: `moat attach` connects again. Arguments after NAME are passed to the agent, so options of moat must precede
/// NAME. `moat claude` is short for `moat agent claude`; your own agents need the long form. `moat deps` lists the agents.
#[derive(Debug, Args)]
#[command(override_usage = "moat agent [OPTIONS] <NAME> [ARGS]...")]
pub struct AgentCommand {
    /// Spec file or directory, agent name, or run id
    #[arg(long, value_name = "AGENT", default_value = default_spec::path(), add = ArgValueCandidates::new(agents))]
    spec: PathBuf,
    /// Create a missing spec without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    change: ChangeArgs,
    /// Print the end of the output and the exit code as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// Keys that detach and leave the agent running
    #[arg(long, value_name = "KEYS", default_value = DETACH_KEYS)]
    detach_keys: DetachKeys,
    /// Coding agent, such as `claude`, and then its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "NAME")]
    words: Vec<String>,
}

/// Writes the note into the file of the first argument, unless it is the user's, and runs the rest. `$0` is the first line
/// of a note, and the note is in a variable, since arguments show in lists of processes.
const START: &str = "file=$1; shift
if [ ! -s \"$file\" ] || [ \"$(head -n 1 \"$file\")\" = \"$0\" ]; then
    { mkdir -p \"$(dirname \"$file\")\" && printf %s \"$MOAT_NOTE\" >\"$file\"; } 2>/dev/null || :
fi
unset MOAT_NOTE
exec \"$@\"";

/// The variable with the note.
const NOTE: &str = "MOAT_NOTE";

pub async fn run(args: &AgentCommand, session: &Session) -> Result<Exit, CliError> {
    let AgentCommand { spec, yes, change, json, detach_keys, words } = args;
    let Some((name, arguments)) = words.split_first() else { return Ok(Exit::Usage) };
    if spec == Path::new(default_spec::path()) && !default_spec::exists() {
        create(name, *yes, session)?;
    }
    if spec.to_str().is_none_or(is_path) {
        // Before the engine is asked.
        let loaded = load::load(std::slice::from_ref(spec), Load::Identity);
        choose(loaded.agents.map_err(CliError::Load)?, name, spec)?;
    }
    let (selection, engine) = Selection::find(session, std::slice::from_ref(spec), Load::Full).await?;
    let (agent, capability) = choose(selection.into_agents(), name, spec)?;
    let Some(part) = &capability.agent else { return Err(unknown(name, &Capabilities::builtin())) };
    remark(&agent, &capability, session);
    let note = agent.resolved.as_ref().map(|resolved| resolved.note()).zip(part.note.clone());
    let (command, mut env) = command(part, arguments, note);
    env.extend(terminal());
    let run = Run::of(spec.clone(), ExecArgs::with(env), change.clone(), *json, command);
    run.held(name, detach_keys.clone()).carry_out(agent, engine, session).await
}

/// The command that starts an agent, and its variables.
fn command(
    part: &AgentPart,
    arguments: &[String],
    note: Option<(String, String)>,
) -> (Vec<String>, Vec<(String, String)>) {
    let own = part.command.iter().chain(arguments).cloned();
    match note {
        Some((text, file)) => {
            let start = ["sh", "-c", START, NOTE_MARK].map(str::to_owned).into_iter().chain([file]);
            (start.chain(own).collect(), vec![(NOTE.to_owned(), text)])
        }
        None => (own.collect(), Vec::new()),
    }
}

/// What the terminal here can show: a terminal in a container has few colors otherwise. Images know this name.
fn terminal() -> impl Iterator<Item = (String, String)> {
    let term = std::env::var("TERM").ok().filter(|term| term.contains("256color"));
    let colors = std::env::var("COLORTERM").ok();
    let variables = [("TERM", term.map(|_| "xterm-256color".to_owned())), ("COLORTERM", colors)];
    variables.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))
}

/// The agent of the spec that has the dependency, and what the dependency says.
fn choose(mut all: Vec<Agent>, name: &str, spec: &Path) -> Result<(Agent, Capability), CliError> {
    let named =
        |agent: &Agent| agent.resolved.as_ref().map_or_else(Vec::new, |it| it.capabilities().agents_named(name));
    let has = |agent: &Agent, dependency: &str| agent.resolved.as_ref().is_some_and(|it| it.depends_on(dependency));
    let found =
        |(at, agent): (usize, &Agent)| Some((at, named(agent).into_iter().find(|it| has(agent, &it.capability))?));
    let mut having: Vec<(usize, Capability)> = all.iter().enumerate().filter_map(found).collect();
    if having.len() > 1 {
        let message = format!("`{}` has several agents with `{name}`", spec.display());
        return Err(CliError::Usage {
            message,
            hint: "apply it, then use `--spec` with the name of one agent".to_owned(),
        });
    }
    if let Some((at, capability)) = having.pop() {
        return Ok((all.swap_remove(at), capability));
    }
    let resolved = all.first().and_then(|agent| agent.resolved.as_ref());
    let builtin = Capabilities::builtin();
    let capabilities = resolved.map_or(&builtin, |it| it.capabilities());
    let Some(dependency) = capabilities.agents_named(name).into_iter().next().map(|it| it.capability) else {
        return Err(unknown(name, capabilities));
    };
    let instead = match resolved.and_then(|it| it.own_image()) {
        Some(key) => format!(", and use `base_image` instead of `{key}`, since it is installed in an image"),
        None => String::new(),
    };
    let message = format!("`{}` does not have the dependency `{dependency}`", names(&all));
    let hint = format!("add the line `- {dependency}` under `dependencies` in `{}`{instead}", spec.display());
    Err(CliError::Refused { message, hint })
}

fn names(all: &[Agent]) -> String {
    all.iter().map(|agent| agent.graph.run.agent.to_string()).collect::<Vec<_>>().join("`, `")
}

fn unknown(name: &str, capabilities: &Capabilities) -> CliError {
    let agents = capabilities.agents();
    let names: Vec<&str> = agents.iter().filter_map(|it| Some(it.agent.as_ref()?.name.as_str())).collect();
    let hint = match suggest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known: {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    };
    CliError::Usage { message: format!("no coding agent `{name}`"), hint }
}

/// Says how to provide a credential, if the spec has none for the agent. It starts anyway: a user may sign in inside.
fn remark(agent: &Agent, capability: &Capability, session: &Session) {
    let Some(resolved) = &agent.resolved else { return };
    if capability.grants.is_empty() || capability.grants.iter().any(|name| resolved.has_credential(name)) {
        return;
    }
    let ways: Vec<String> =
        capability.grants.iter().map(|name| format!("  {name:<10} {}\n", grant_source(name))).collect();
    let message = format!(
        "no credential for `{}`: add one of these to `grants` in the spec, or sign in in the sandbox\n{}",
        capability.capability,
        ways.concat()
    );
    session.screen.say(&message);
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// Creates a spec with the agent in this folder.
fn create(name: &str, yes: bool, session: &Session) -> Result<(), CliError> {
    let file = Path::new(DEFAULT_SPEC);
    let here = fs::canonicalize(".").unwrap_or_default().join(DEFAULT_SPEC);
    let capabilities = capabilities(&here, &mut Inputs::default()).map_err(CliError::Load)?;
    let mut named = capabilities.agents_named(name).into_iter();
    let capability = named.next().ok_or_else(|| unknown(name, &capabilities))?;
    let here = |name: &&String| moat_spec::grants::is_available(name, is_set);
    let grant = capability.grants.iter().find(here).map(String::as_str);
    let text = agent_template(&init::name_of_folder(), &capability, &capabilities, init::policy(), grant);
    if !yes {
        session.screen.alert(&format!("{text}\n"));
        let question = format!("there is no `{DEFAULT_SPEC}` here; the file above is created and applied");
        match ask::consent(&session.screen, &question) {
            Some(true) => {}
            Some(false) => return Err(CliError::Declined),
            None => {
                let message = format!("there is no `{DEFAULT_SPEC}` here or in a folder above");
                let hint = format!("`moat agent --yes {name}` creates the one above");
                return Err(CliError::Refused { message, hint });
            }
        }
    }
    let created = local::spec::create(file, &text);
    created.map_err(|source| CliError::Create { file: DEFAULT_SPEC.to_owned(), source })?;
    session.screen.say(&format!("created {DEFAULT_SPEC}\n"));
    Ok(())
}

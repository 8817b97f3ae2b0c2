//! `moat grants`: the credentials of a sandbox, and what may get them. Never a value.

mod restore;
mod revoke;

use clap::{Args, Subcommand};

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::{Form, Session};
use crate::cli::target::{Sandbox, Target};
use crate::observe::policy::policy;
use crate::ui::render::grants::{Shown, View};
use moat_docker::Docker;
use moat_model::graph::Graph;
use moat_model::resource::{Config, ResourceId};
use moat_model::state::{ContainerFacts, ContainerState, PolicyFacts};
use moat_spec::suggest::suggest;

/// Show, revoke and restore the sandbox's credentials
///
/// Shows which requests get a credential, where it comes from, and when it was last used. A value is never shown.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Grants {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    target: Target,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    Revoke(revoke::Revoke),
    Restore(restore::Restore),
}

impl Grants {
    pub(in crate::cli) fn form(&self) -> Form {
        let (json, form) = match &self.what {
            None => (self.json, Form::Document),
            Some(What::Revoke(args)) => (args.json, Form::Document),
            Some(What::Restore(args)) => (args.json, Form::Stream),
        };
        if json { form } else { Form::Text }
    }
}

pub async fn run(args: &Grants, session: &Session) -> Result<Exit, CliError> {
    match &args.what {
        None => list(args, session).await,
        Some(What::Revoke(args)) => Box::pin(revoke::run(args, session)).await,
        Some(What::Restore(args)) => Box::pin(restore::run(args, session)).await,
    }
}

async fn list(args: &Grants, session: &Session) -> Result<Exit, CliError> {
    let named = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?;
    let facts = in_force(&engine, &sandbox).await;
    let view = View { run: &sandbox.run, grants: all(&sandbox.graph_or_empty(), facts.as_ref()) };
    session.answer(&if args.json { view.json() } else { view.text() })?;
    if view.grants.is_empty() && !args.json {
        session.screen.say("the sandbox has no grants\n");
    }
    Ok(Exit::Done)
}

/// What the running gateway of a sandbox says.
async fn in_force(engine: &Docker, sandbox: &Sandbox) -> Option<PolicyFacts> {
    let gateway = gateway(sandbox)?;
    Some(policy(engine, &gateway.id).await.1)
}

fn gateway(sandbox: &Sandbox) -> Option<&ContainerFacts> {
    let gateway = ResourceId::gateway();
    let is_gateway = |it: &&ContainerFacts| it.owner.as_ref().is_some_and(|owner| owner.resource == gateway);
    sandbox.observed.containers.iter().rfind(|it| it.state == ContainerState::Running && is_gateway(it))
}

/// The grants of the rules in force, and those of the spec.
fn all(graph: &Graph, facts: Option<&PolicyFacts>) -> Vec<Shown> {
    let text = facts.and_then(|facts| facts.text.as_deref());
    let mut all = text.map(Shown::in_force).unwrap_or_default();
    for node in graph.nodes() {
        let Config::Grant(config) = &node.config else { continue };
        let name = &node.id.name;
        if !all.iter().any(|it| it.name == *name) {
            all.extend(Shown::of(&config.definition));
        }
        if let Some(shown) = all.iter_mut().find(|it| it.name == *name) {
            shown.source = Some(config.source.clone());
        }
    }
    for shown in &mut all {
        shown.facts = facts.and_then(|facts| facts.grants.get(&shown.name)).cloned();
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// The error for a name that is no grant.
fn unknown(name: &str, agent: &str, names: &[String]) -> CliError {
    let hint = match suggest(name, names.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if names.is_empty() => "`grants` in the spec gives the sandbox credentials".to_owned(),
        None => format!("its grants are {}", names.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")),
    };
    CliError::Refused { message: format!("`{agent}` has no grant `{name}`"), hint }
}

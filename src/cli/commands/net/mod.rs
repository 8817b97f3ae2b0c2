//! `moat net`: what the network of a sandbox can reach, and what it has asked for.

mod check;
mod denied;
mod log;
mod suggest;
mod verify;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use crate::cli::decisions::{DecisionLog, is_since};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::{Form, Session};
use crate::cli::target::{Sandbox, Target};
use crate::ui::render::net::check::Reach;
use moat_gateway::LogLine;
use moat_model::graph::Graph;
use moat_model::resource::Config;
use moat_policy::Policy;

/// Show and explain what the sandbox's network can reach
#[derive(Debug, Args)]
pub struct Net {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Log(log::Log),
    Denied(denied::Denied),
    Suggest(suggest::Suggest),
    Check(check::Check),
    Verify(verify::Verify),
}

impl Net {
    pub(in crate::cli) fn form(&self) -> Form {
        let (json, form) = match &self.what {
            What::Log(args) => (args.json, Form::Stream),
            What::Denied(args) => (args.json, Form::Document),
            What::Suggest(args) => (args.json, Form::Document),
            What::Check(args) => (args.json, Form::Document),
            What::Verify(args) => (args.json, Form::Document),
        };
        if json { form } else { Form::Text }
    }
}

pub async fn run(args: &Net, session: &Session) -> Result<Exit, CliError> {
    match &args.what {
        What::Log(args) => log::run(args, session).await,
        What::Denied(args) => denied::run(args, session).await,
        What::Suggest(args) => suggest::run(args, session).await,
        What::Check(args) => check::run(args, session),
        What::Verify(args) => verify::run(args, session).await,
    }
}

/// What a sandbox's gateway decided since a time.
struct Decided {
    sandbox: Sandbox,
    lines: Vec<LogLine>,
}

async fn decided(target: &Target, since: Option<Timestamp>, session: &Session) -> Result<Decided, CliError> {
    let named = target.read()?;
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?.present()?;
    let mut lines = DecisionLog::of(&engine, &sandbox.run, &sandbox.observed.containers)?.read().await?;
    lines.retain(|line| is_since(line, since));
    Ok(Decided { sandbox, lines })
}

/// What the network of a sandbox can reach.
fn reach(graph: &Graph) -> Result<Reach, CliError> {
    let mut reach = Reach::Everything;
    for node in graph.nodes() {
        match &node.config {
            Config::Policy(config) => {
                let wrong = |error: moat_policy::UnreadablePolicy| CliError::Refused {
                    message: error.to_string(),
                    hint: "this is a bug in moat".to_owned(),
                };
                return Policy::from_json(&config.text).map(Reach::Policy).map_err(wrong);
            }
            Config::Network(config) if config.internal => reach = Reach::Nothing,
            _ => {}
        }
    }
    Ok(reach)
}

/// The names by which the containers of a sandbox reach each other.
fn own_names(graph: &Graph) -> Vec<String> {
    let containers = graph.nodes().filter_map(|node| match &node.config {
        Config::Container(config) => Some(&config.network.aliases),
        _ => None,
    });
    containers.flatten().cloned().collect()
}

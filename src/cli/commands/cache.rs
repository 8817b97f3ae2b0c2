//! `moat cache`: shows or prunes the build cache of a sandbox.

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::observe::builds;
use crate::ui::render::cache::View;
use moat_model::resource::ResourceId;

/// Show the size of the sandbox's build cache, or prune it
#[derive(Debug, Args)]
pub struct Cache {
    #[command(flatten)]
    target: Target,
    /// Remove everything that no running build uses
    #[arg(long)]
    prune: bool,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Cache, session: &Session) -> Result<Exit, CliError> {
    let named = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?.present()?;
    let agent = sandbox.run.agent.to_string();
    let Some(graph) = sandbox.agent.as_ref().map(|agent| &agent.graph) else {
        return Err(CliError::NoSpec { agent, spec: sandbox.run.spec.clone() });
    };
    let Some(wanted) = &graph.builds else {
        let message = format!("`{agent}` has no builder");
        return Err(CliError::Refused { message, hint: "`docker:dind` under `dependencies` adds one".to_owned() });
    };
    let observed = &sandbox.observed;
    let size = async || builds::cache_bytes(&engine, wanted, observed).await;
    let before = size().await;
    if args.prune {
        let refused = |why: String| {
            let message = format!("cannot prune the cache of `{agent}`: {why}");
            CliError::Refused { message, hint: "see `moat status`".to_owned() }
        };
        let work = async { builds::prune(&engine, wanted, observed).await.map_err(refused) };
        let data = serde_json::json!({ "volume": sandbox.run.name_of(&ResourceId::volume(&wanted.cache)) });
        Record::open("cache", &engine)?.session(&sandbox.run, "cache_pruned", data, work, |()| None).await?;
    }
    let now = if args.prune { size().await } else { before };
    let volume = sandbox.run.name_of(&ResourceId::volume(&wanted.cache));
    let view = View { run: &sandbox.run, volume: &volume, before, now, pruned: args.prune };
    session.answer(&if args.json { view.json() } else { view.text() })?;
    Ok(Exit::Done)
}

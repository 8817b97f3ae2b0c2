//! `moat why`: the cause of each pending change, or since when a resource is in sync.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::args::subnets::Addresses;
use crate::cli::candidates::agents;
use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::load::Load;
use crate::cli::selection::Selection;
use crate::cli::session::Session;
use crate::observe::observe;
use crate::ui::render::why::{Reason, json, text};
use moat_model::graph::Graph;
use moat_model::resource::ResourceId;
use moat_model::state::Observed;
use moat_plan::{Plan, compute};
use moat_spec::suggest;

/// Explain why each resource is in sync or would change
#[derive(Debug, Args)]
pub struct Why {
    /// Limit to one resource, as in `container/main` or `main`
    #[arg(value_name = "RESOURCE")]
    resource: Option<String>,
    /// Agent name, run id, or spec file or directory
    #[arg(short, long, value_name = "AGENT", default_value = default_spec::path(), add = ArgValueCandidates::new(agents))]
    file: PathBuf,
    #[command(flatten)]
    addresses: Addresses,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Why, session: &Session) -> Result<Exit, CliError> {
    let (selection, engine) = Selection::find(session, std::slice::from_ref(&args.file), Load::Full).await?;
    let selection = selection.seen(&engine).await?;
    selection.warn_of_unapproved();
    let options = args.addresses.options(&engine);
    let answer = selection.answer(async |agent| {
        let observed = observe(&engine, &agent.graph).await?;
        let plan = compute(&agent.graph, &observed, &options);
        let mut reasons = reasons(&agent.graph, &observed, &plan);
        if let Some(wanted) = &args.resource {
            let known: Vec<String> = reasons.iter().map(|reason| reason.resource.to_string()).collect();
            reasons.retain(|reason| reason.resource.to_string() == *wanted || reason.resource.name == *wanted);
            if reasons.is_empty() {
                let names = known.iter().flat_map(|it| [it.as_str(), it.rsplit('/').next().unwrap_or_default()]);
                let meant = suggest(wanted, names).map(str::to_owned);
                let known: Vec<String> = known.iter().map(|it| format!("`{it}`")).collect();
                return Err(CliError::NoResource { resource: wanted.clone(), meant, known: known.join(", ") });
            }
        }
        Ok((Exit::Done, if args.json { json(&agent.graph.run, &reasons) } else { text(&reasons) }))
    });
    answer.await
}

/// One reason for each desired or changed resource.
fn reasons(graph: &Graph, observed: &Observed, plan: &Plan) -> Vec<Reason> {
    let wanted = graph.nodes().map(|node| node.id.clone());
    let mut ids: Vec<ResourceId> = wanted.chain(plan.operations.iter().map(|it| it.resource.clone())).collect();
    ids.sort();
    ids.dedup();
    let reason = |resource: ResourceId| {
        let about = plan.operations.iter().find(|operation| operation.resource == resource);
        let since = observed.containers_of(&resource).map(|facts| facts.created).last();
        Reason { cause: about.map(|operation| operation.cause.clone()), since, resource }
    };
    ids.into_iter().map(reason).collect()
}

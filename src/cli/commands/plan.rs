//! `moat plan`: shows the changes of an apply with their causes.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::args::specs::Specs;
use crate::cli::args::subnets::Addresses;
use crate::cli::commands::doctor::lets_root_reach_the_host;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::load::{Agent, Load};
use crate::cli::resolved_spec::ResolvedSpec;
use crate::cli::saved::Collected;
use crate::cli::selection::Selection;
use crate::cli::session::Session;
use crate::cli::spec_files;
use crate::observe::registry::{self, Registries, WithoutQuery};
use crate::observe::sessions::sessions;
use crate::observe::{network, observe_with, proof};
use crate::ui;
use crate::ui::render::plan::Withheld;
use moat_docker::Docker;
use moat_model::graph::{Graph, Node};
use moat_model::resource::{Config, ResourceId};
use moat_plan::saved::SavedAgent;
use moat_plan::{Action, Options, Refusal, has_completed, host_paths, kept, refusals, widening};

/// The limit that `moat doctor` shows for the engine.
const IPV6: &str = "despite the network policy, root with `NET_ADMIN` in a container, such as a privileged one, can turn IPv6 on and \
                    reach services of the Docker host that listen on `::`; not with `isolation: rootless`";

/// Show what `apply` would change, and why
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    specs: Specs,
    /// Save the plan for `moat apply FILE`
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 2 if there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Ask registries for moved tags, like `moat apply --pull`
    #[arg(long)]
    pull: bool,
    #[command(flatten)]
    addresses: Addresses,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The options of a plan, also for `apply --dry-run`.
pub(in crate::cli) struct PlanRequest<'a> {
    pub specs: &'a Specs,
    /// The file to save the plan to.
    pub out: Option<&'a Path>,
    pub detailed_exitcode: bool,
    pub pull: bool,
    pub addresses: &'a Addresses,
    pub json: bool,
}

pub async fn run(args: &Plan, session: &Session) -> Result<Exit, CliError> {
    let Plan { specs, out, detailed_exitcode, pull, addresses, json } = args;
    let (detailed_exitcode, pull, json) = (*detailed_exitcode, *pull, *json);
    show(&PlanRequest { specs, out: out.as_deref(), detailed_exitcode, pull, addresses, json }, session).await
}

pub(in crate::cli) async fn show(args: &PlanRequest<'_>, session: &Session) -> Result<Exit, CliError> {
    let (selection, engine) = Selection::find(session, &args.specs.paths(), Load::Full).await?;
    let selection = selection.seen(&engine).await?;
    let options = args.addresses.options(&engine);
    let collected = Collected::default();
    let answer = selection.answer(async |agent| {
        let run = &agent.graph.run;
        // The images of an unapproved spec are pulled by their tags.
        let pull = args.pull && !agent.is_unseen;
        let found =
            if pull { registry::ask(&engine, &agent.graph, WithoutQuery::Keep).await } else { Registries::default() };
        for (reference, why) in &found.kept {
            let (message, hint) = registry::words(reference, why);
            session.warning(&message, &hint);
        }
        let mut options = Options { registry: found.digests, ..options.clone() };
        let observed = observe_with(&engine, &agent.graph, &options.registry).await?;
        let plan = proof::plan(&engine, &agent.graph, &observed, &mut options).await;
        collected.take(SavedAgent::of(&agent.graph, &observed, &plan, pull));
        for Refusal { reason, .. } in refusals(&agent.graph, &observed, &plan) {
            session.warning(&format!("`moat apply` would refuse this: {}", reason.message()), &reason.hint());
        }
        let widens = widening(&agent.graph, &observed);
        let interrupts = plan.interrupts(&ResourceId::main());
        let sessions = if interrupts { sessions(&engine, &agent.graph, &observed).await? } else { 0 };
        let images = if args.pull && agent.is_unseen { registry::asked(&agent.graph).collect() } else { Vec::new() };
        let images = images.into_iter().map(|image| Withheld::Image(image.reference.to_string()));
        let withheld: Vec<Withheld> = agent.withheld.iter().cloned().chain(images).collect();
        let approval = approval(agent, &withheld);
        let kept = kept(&agent.graph, &observed);
        let mut unchecked: Vec<&str> = host_paths(&plan).into_iter().collect();
        // One more call, and only for a plan that mounts something.
        if !unchecked.is_empty() && engine.shares_files().await {
            unchecked.clear();
        }
        let limits = policy_limits(&engine, &agent.graph, &plan).await;
        let resolved = agent.resolved.as_deref();
        let remarks = ui::render::plan::Remarks {
            widens: &widens,
            sessions,
            approval,
            kept: &kept,
            unchecked: &unchecked,
            could_be_rootless: resolved.is_some_and(ResolvedSpec::could_be_rootless),
            isolation: resolved.and_then(ResolvedSpec::chosen_isolation),
            policy_limits: &limits,
        };
        let text = if args.json {
            ui::render::plan::json(run, &plan, &remarks)
        } else if plan.is_empty() && approval.missing.is_some() {
            // The effect of its secrets is unknown.
            String::new()
        } else if plan.is_empty() && observed.is_stopped() {
            ui::render::plan::stopped(run, session.screen.data_colour())
        } else if plan.is_empty() && has_completed(&agent.graph, &observed) {
            ui::render::plan::completed(run, session.screen.data_colour())
        } else {
            let spec = spec_files::file(&agent.spec_path).display().to_string();
            ui::render::plan::text(run, &spec, &plan, &remarks, session.screen.data_colour())
        };
        let missing =
            if args.json { String::new() } else { ui::render::plan::missing(approval, session.screen.data_colour()) };
        let between = if text.is_empty() || missing.is_empty() { "" } else { "\n" };
        let text = text + between + &missing;
        let text = if args.json { text } else { text + &ui::render::plan::kept(&kept) };
        let changes = plan.changes() || approval.missing.is_some();
        Ok((if args.detailed_exitcode && changes { Exit::Changes } else { Exit::Done }, text))
    });
    let exit = answer.await?;
    if let Some(file) = args.out
        && collected.write(file, selection.agents().count(), &engine)?
    {
        let file = file.display();
        session.screen.say(&format!("saved in {file}: `moat apply {file}` applies it unless something changes\n"));
    }
    Ok(exit)
}

/// What a network policy does not hold back. One more call, and only for a plan that creates containers which are concerned.
async fn policy_limits(engine: &Docker, graph: &Graph, plan: &moat_plan::Plan) -> Vec<&'static str> {
    let is_created = |id: &ResourceId| {
        plan.operations.iter().any(|it| it.resource == *id && matches!(it.action, Action::CreateContainer { .. }))
    };
    let changes_networks = |node: &Node| match &node.config {
        Config::Container(config) => {
            let adds = |name: &String| matches!(name.as_str(), "NET_ADMIN" | "ALL");
            config.privileged || config.rights.cap_add.iter().any(adds)
        }
        _ => false,
    };
    let is_concerned =
        network::digest(graph).is_some() && graph.nodes().any(|node| changes_networks(node) && is_created(&node.id));
    let reaches = is_concerned && engine.info().await.is_ok_and(|info| lets_root_reach_the_host(&info));
    reaches.then_some(IPV6).into_iter().collect()
}

/// The approval of an agent's spec, for display.
fn approval<'a>(agent: &'a Agent, not_fetched: &'a [Withheld]) -> ui::render::plan::Approval<'a> {
    let digest = agent.graph.approved.as_ref().map_or("", |approved| &approved.digest);
    let missing =
        agent.unapproved.as_deref().map(|it| ui::render::plan::Missing { reason: &it.reason, asks: &it.asks });
    ui::render::plan::Approval { digest, missing, not_fetched }
}

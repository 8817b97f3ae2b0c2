//! `moat net verify`: tests whether the network policy of a sandbox is in force.

use std::net::Ipv4Addr;

use clap::Args;
use futures_util::future::try_join_all;

use crate::cli::decisions::without_gateway;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::target::{Sandbox, Target};
use crate::observe::policy::policy;
use crate::observe::verification::{is_proven, trials, verify};
use crate::ui::render::net::verify::{json, text};
use moat_docker::Docker;
use moat_model::engine::{Engine, Filter};
use moat_model::resource::ResourceId;
use moat_model::state::{ContainerState, NetworkFacts};

/// Test whether the sandbox's network policy is in force
///
/// Tests names and addresses from the main container, and from a container and a build of its inner Docker if it has one.
/// Exits with 1 if a test fails, or if the names cannot be tested in the main container.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    target: Target,
    /// Print a JSON document
    #[arg(long)]
    pub(super) json: bool,
}

pub async fn run(args: &Verify, session: &Session) -> Result<Exit, CliError> {
    let named = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?.present()?;
    let running = |resource: &ResourceId| {
        let mut found = sandbox.observed.containers_of(resource);
        found.find(|it| it.state == ContainerState::Running).map(|it| it.id.clone())
    };
    if sandbox.observed.containers_of(&ResourceId::gateway()).next().is_none() {
        return Err(without_gateway(&sandbox.run));
    }
    let Some(main) = running(&ResourceId::main()) else { return Err(sandbox.not_running("is not running")) };
    // Without a digest nothing is answered, which is what is wrong.
    let in_force = match running(&ResourceId::gateway()) {
        Some(gateway) => policy(&engine, &gateway).await.1.digest,
        None => None,
    };
    let (hosts, others) = addresses(&engine, &sandbox).await?;
    let trials = trials(&hosts, &others);
    let checks = verify(&engine, &main, &trials, in_force.as_deref().unwrap_or("no rules")).await;
    session.answer(&if args.json {
        json(&sandbox.run, &checks)
    } else {
        text(&checks, session.screen.data_colour())
    })?;
    if others.is_empty() {
        session.screen.say("no other sandbox runs on this engine, so none was tried\n");
    }
    Ok(if is_proven(&checks) { Exit::Done } else { Exit::Failed })
}

/// The addresses of the Docker host on the sandbox's networks, and those of other sandboxes' main containers.
async fn addresses(engine: &Docker, sandbox: &Sandbox) -> Result<(Vec<Ipv4Addr>, Vec<(String, Ipv4Addr)>), CliError> {
    let networks = engine.networks(&Filter::Ours).await?;
    let known = try_join_all(networks.iter().map(async |network| engine.addresses(&network.id).await)).await?;
    let is_own = |network: &NetworkFacts| network.owner.as_ref().is_some_and(|it| it.run == sandbox.run.id);
    let own = networks.iter().zip(&known).filter(|(network, _)| is_own(network));
    let mut hosts: Vec<Ipv4Addr> = own.filter_map(|(_, addresses)| addresses.host).collect();
    hosts.sort_unstable();
    let containers = engine.containers(&Filter::Ours).await?;
    let mains = containers.iter().filter_map(|facts| {
        let owner = facts.owner.as_ref().filter(|it| it.run != sandbox.run.id && it.resource == ResourceId::main())?;
        let ip = known.iter().find_map(|addresses| addresses.containers.get(&facts.id))?;
        Some((owner.agent.clone(), *ip))
    });
    Ok((hosts, mains.collect()))
}

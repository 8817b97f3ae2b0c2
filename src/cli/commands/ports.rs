//! `moat ports`: the ports of a sandbox and their host addresses.

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::target::{Sandbox, Target};
use crate::ui;
use moat_docker::{Docker, Published};
use moat_model::state::ContainerState;

/// Show the sandbox's ports and their host addresses
#[derive(Debug, Args)]
pub struct Ports {
    #[command(flatten)]
    target: Target,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Ports, session: &Session) -> Result<Exit, CliError> {
    let named = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?.present()?;
    let ports = ports(&engine, &sandbox).await?;
    session.answer(&if args.json {
        ui::render::ports::json(&sandbox.run, &ports)
    } else {
        ui::render::ports::text(&ports)
    })?;
    if ports.is_empty() {
        session.screen.say(&format!("{} has no ports\n", sandbox.run.agent));
    }
    Ok(Exit::Done)
}

/// The ports of all running containers, main first.
pub(in crate::cli) async fn ports(engine: &Docker, sandbox: &Sandbox) -> Result<Vec<(String, Published)>, CliError> {
    let mut all = Vec::new();
    for name in sandbox.container_names() {
        let container = sandbox.container(&name)?;
        if container.state == ContainerState::Running {
            let ports = engine.ports(&container.id).await?;
            all.extend(ports.into_iter().map(|port| (name.clone(), port)));
        }
    }
    Ok(all)
}

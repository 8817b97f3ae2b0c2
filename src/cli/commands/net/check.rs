//! `moat net check`: whether a host can be reached, from the spec alone.

use std::str::FromStr;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::candidates::agents;
use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::target::recorded;
use crate::ui::render::net::check::Checked;
use moat_policy::{HostName, Port};

/// Check whether the sandbox could reach a host
///
/// Works without a connection to Docker, and neither resolves nor contacts the host. Exits with 0 if the sandbox could
/// reach it, and with 1 if not.
#[derive(Debug, Args)]
pub struct Check {
    /// Host, as in `example.com` or `example.com:22` [port: 443]
    #[arg(value_name = "NAME[:PORT]")]
    target: HostAndPort,
    /// Agent name, run id, or spec file or directory
    #[arg(value_name = "AGENT", default_value = default_spec::path(), add = ArgValueCandidates::new(agents))]
    agent: String,
    /// Print a JSON document
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone)]
struct HostAndPort {
    name: HostName,
    port: Port,
}

impl FromStr for HostAndPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return Err("expected a host without a path, as in `example.com` or `example.com:22`".to_owned());
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') => {
                (name, port.parse().map_err(|_| format!("`{port}` is not a port"))?)
            }
            _ => (text, Port::TLS),
        };
        let name = name.parse().map_err(|error: moat_policy::InvalidName| error.to_string())?;
        Ok(Self { name, port })
    }
}

pub fn run(args: &Check, session: &Session) -> Result<Exit, CliError> {
    let graph = recorded(&args.agent)?;
    let HostAndPort { name, port } = &args.target;
    let checked = Checked::of(&graph.run, &super::reach(&graph)?, &super::own_names(&graph), name, *port);
    session.answer(&if args.json { checked.json() } else { checked.text() })?;
    Ok(if checked.passes() { Exit::Done } else { Exit::Failed })
}

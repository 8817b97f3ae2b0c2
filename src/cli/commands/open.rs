//! `moat open`: opens a published port in a browser.

use std::env;
use std::process::Stdio;

use clap::Args;
use tokio::process::Command;

use crate::cli::commands::ports::ports;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::ui;
use moat_docker::{Docker, Endpoint, Published};

/// Open a port of the sandbox in a browser
#[derive(Debug, Args)]
pub struct Open {
    #[command(flatten)]
    target: Target,
    /// Container port [default: the first published port]
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// Print the address without opening it
    #[arg(long)]
    print: bool,
    /// Print the address as a JSON document without opening it
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The conventional variable for the browser command.
const BROWSER: &str = "BROWSER";

/// The default browser command.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Ports with TLS by convention.
const TLS: [u16; 2] = [443, 8443];

pub async fn run(args: &Open, session: &Session) -> Result<Exit, CliError> {
    let named = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?.present()?;
    let ports = ports(&engine, &sandbox).await?;
    let wanted = |it: &&(String, Published)| it.1.protocol == "tcp" && args.port.is_none_or(|port| it.1.port == port);
    let found = ports.iter().filter(wanted).find_map(|(_, port)| Some((port.port, port.host.as_ref()?)));
    let Some((port, (ip, host_port))) = found else {
        let what = args.port.map_or("a port".to_owned(), |port| format!("port {port}"));
        let message = format!("`{}` does not publish {what} on the host", sandbox.run.agent);
        return Err(CliError::Refused {
            message,
            hint: "`moat ports` lists the ports; `ports` in the spec publishes them".to_owned(),
        });
    };
    let scheme = if TLS.contains(&port) { "https" } else { "http" };
    let url = format!("{scheme}://{}/", ui::render::ports::address(&host(&engine, ip), *host_port));
    if args.json {
        session.answer(&ui::json(&serde_json::json!({ "url": url })))?;
    } else {
        session.answer(&format!("{url}\n"))?;
    }
    if !args.print && !args.json {
        show(&url).await?;
    }
    Ok(Exit::Done)
}

/// The address of the Docker host for this host.
fn host(engine: &Docker, ip: &str) -> String {
    let everywhere = matches!(ip, "" | "0.0.0.0" | "::");
    match &engine.located().endpoint {
        Endpoint::Tcp { host, .. } if everywhere => host.clone(),
        Endpoint::Ssh(target) if everywhere => target.host.clone(),
        _ if everywhere => "127.0.0.1".to_owned(),
        _ => ip.to_owned(),
    }
}

async fn show(url: &str) -> Result<(), CliError> {
    let opener = env::var(BROWSER).ok().filter(|it| !it.is_empty()).unwrap_or_else(|| OPENER.to_owned());
    let mut command = Command::new(&opener);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let shown = command.status().await;
    if shown.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let message = format!("`{opener}` failed to open the address");
    Err(CliError::Refused { message, hint: format!("set {BROWSER}, or open the address above by hand") })
}

//! `moat graph`: the resources of a sandbox, or the steps of an apply, as a graph.

use clap::{Args, ValueEnum};

use crate::cli::approval;
use crate::cli::args::subnets::Addresses;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::target::{Named, Target};
use crate::observe::{observe, proof};
use crate::ui::graph::{Picture, dot, json, mermaid, svg, text};
use moat_plan::{Options, compute, status};

/// Show the sandbox's resources and their dependencies
#[derive(Debug, Args)]
pub struct GraphCommand {
    #[command(flatten)]
    target: Target,
    /// Show the steps of an apply, their order and causes
    #[arg(long)]
    plan: bool,
    /// Show only the spec, without connecting to Docker
    #[arg(long, conflicts_with = "plan")]
    offline: bool,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    #[command(flatten)]
    addresses: Addresses,
    /// Print nodes and edges as a JSON document
    #[arg(long, conflicts_with = "format")]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Dot,
    Mermaid,
    Svg,
}

pub async fn run(args: &GraphCommand, session: &Session) -> Result<Exit, CliError> {
    let named = args.target.read()?;
    let picture = match named {
        Named::Spec(agent) if args.offline => Picture::of_resources(&agent.graph, None),
        Named::Applied { faults, .. } if args.offline => return Err(CliError::Load(faults)),
        Named::Name(_) if args.offline => {
            let message = "with `--offline` only a spec can be shown".to_owned();
            return Err(CliError::Usage { message, hint: "give the path of the spec file".to_owned() });
        }
        named => observed_picture(args, named, session).await?,
    };
    let shown = match args.format {
        _ if args.json => json(&picture),
        Format::Text => text::draw(&picture, session.screen.data_colour()),
        Format::Dot => dot::draw(&picture),
        Format::Mermaid => mermaid::draw(&picture),
        Format::Svg => svg::draw(&picture),
    };
    session.answer(&shown)?;
    Ok(Exit::Done)
}

async fn observed_picture(args: &GraphCommand, named: Named, session: &Session) -> Result<Picture, CliError> {
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?;
    let graph = approval::seen_one(sandbox.full()?, &engine).await?.graph;
    let observed = observe(&engine, &graph).await?;
    if args.plan {
        let plan = compute(&graph, &observed, &args.addresses.options(&engine));
        return Ok(Picture::of_plan(&graph.run, &plan));
    }
    let proven = proof::proven(&engine, &graph, &observed).await;
    let plan = compute(&graph, &observed, &Options { proven, ..Options::default() });
    let status = status(&graph, &observed, &plan);
    Ok(Picture::of_resources(&graph, Some(&status)))
}

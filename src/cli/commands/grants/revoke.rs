//! `moat grants revoke`: takes a credential away from a running gateway.
//!
//! Needs nothing of the spec and no lock, so that it works at once, whatever else goes on.

use clap::Args;

use super::{gateway, in_force, unknown};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::cli::target::Target;
use crate::ui::render::grants::revoked;
use moat_model::engine::{Change, Engine};
use moat_model::resource;

/// Take a credential away from the sandbox
///
/// Requests in progress are cut. The grant stays revoked until `moat grants restore`, or until it is removed from the
/// spec: `apply` and `watch` do not restore it. The credential itself stays valid.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Grant, as in the spec
    #[arg(value_name = "NAME")]
    grant: String,
    #[command(flatten)]
    target: Target,
    /// Print a JSON document
    #[arg(long)]
    pub(super) json: bool,
}

pub async fn run(args: &Revoke, session: &Session) -> Result<Exit, CliError> {
    let named = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?.present()?;
    let agent = sandbox.run.agent.to_string();
    let Some(gateway) = gateway(&sandbox) else {
        let message = format!("`{agent}` has no running gateway, so nothing has its credentials");
        return Err(CliError::Refused { message, hint: "see `moat status`".to_owned() });
    };
    let known: Vec<String> = in_force(&engine, &sandbox).await.unwrap_or_default().grants.into_keys().collect();
    if !known.contains(&args.grant) {
        return Err(unknown(&args.grant, &agent, &known));
    }
    let (container, grant) = (gateway.id.clone(), args.grant.clone());
    let change = Change::RevokeGrant { container, command: resource::gateway::revoke(&grant), grant };
    let data = serde_json::json!({ "name": gateway.name, "grant": args.grant });
    let work = async { Ok(engine.change(&change, &|_| ()).await.map(drop)?) };
    let record = Record::open("grants", &engine)?;
    // Boxed, since it contains the future of every change.
    Box::pin(record.session(&sandbox.run, "grant_revoked", data, work, |()| None)).await?;
    session.answer(&revoked(&sandbox.run, &args.grant, &args.target.as_argument(), args.json))?;
    Ok(Exit::Done)
}

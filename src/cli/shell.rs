//! `moat shell`: a shell in the sandbox.

use clap::Args;

use super::error::CliError;
use super::exit::Exit;
use super::inside::{Inside, attach};
use super::session::Session;
use super::target::Target;

/// Open a shell in the sandbox: bash where there is one, otherwise sh
///
/// What is typed or piped in goes to the shell, and its exit code is moat's.
#[derive(Debug, Args)]
pub struct Shell {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    inside: Inside,
}

/// A login shell would read the profile of whoever made the image, and lose the directory.
const FIND: &str = "command -v bash >/dev/null 2>&1 && exec bash; exec sh";

pub async fn run(args: &Shell, session: &Session) -> Result<Exit, CliError> {
    let place = args.inside.find(&args.target, session).await?;
    let request = args.inside.request(["sh", "-c", FIND].map(str::to_owned).to_vec());
    let on_record = args.inside.on_record(&place.2, &request);
    attach(&place, &request, ("shell", on_record), session).await
}

//! Options of the commands that bring a sandbox in sync: `apply`, `run`, `start`, `restart` and `watch`.

use clap::Args;

use crate::cli::approval::ApprovalArgs;
use crate::cli::args::locking::Locking;
use crate::cli::args::subnets::Addresses;

#[derive(Debug, Clone, Args)]
pub struct ChangeArgs {
    #[command(flatten)]
    pub(in crate::cli) approving: ApprovalArgs,
    #[command(flatten)]
    pub(in crate::cli) addresses: Addresses,
    #[command(flatten)]
    pub(in crate::cli) locking: Locking,
}

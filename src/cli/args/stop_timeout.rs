//! `--timeout`: overrides how long a container may take to stop before it is killed.

use clap::Args;

#[derive(Debug, Args)]
pub struct StopTimeout {
    /// Seconds to wait for a container before killing it
    #[arg(short = 't', long = "timeout", visible_alias = "time", value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u32).range(..=LONGEST))]
    pub seconds: Option<u32>,
}

/// In seconds: the longest engine call, minus the time for the kill itself.
const LONGEST: i64 = 540;

//! How long containers have to end before they are killed, where a user wants another time than theirs.

use clap::Args;

#[derive(Debug, Args)]
pub struct GracePeriod {
    /// Seconds to wait for a container before killing it
    #[arg(short = 't', long = "timeout", visible_alias = "time", value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u32).range(..=LONGEST))]
    pub seconds: Option<u32>,
}

/// In seconds: what a call to an engine may take at most, without what the kill itself takes.
const LONGEST: i64 = 540;

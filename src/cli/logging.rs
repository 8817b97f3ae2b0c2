//! Diagnostic logs of moat, for debugging.
//!
//! Off by default. Dependencies are limited to `info`: at `debug` some of them log whole requests, including
//! environments and credentials.

use std::env;
use std::io;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The variable with a filter, as in `MOAT_LOG=moat::execute=trace`.
const VARIABLE: &str = "MOAT_LOG";

/// Starts logging if `MOAT_LOG` is set or `-v` was given (`verbose` times). Returns whether it is on.
pub fn start(verbose: u8) -> bool {
    let asked = env::var(VARIABLE).ok().filter(|filter| !filter.is_empty());
    let filter = match (&asked, verbose) {
        (Some(filter), _) => EnvFilter::builder().parse_lossy(filter),
        (None, 0) => return false,
        (None, 1) => EnvFilter::default().add_directive(LevelFilter::DEBUG.into()),
        (None, _) => EnvFilter::default().add_directive(LevelFilter::TRACE.into()),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(true).with_ansi(false);
    tracing_subscriber::registry().with(filter).with(filter_fn(is_harmless)).with(lines).init();
    true
}

fn is_harmless(about: &Metadata<'_>) -> bool {
    let target = about.target();
    // The package and its member crates, such as `moat_docker`.
    let ours = target == "moat" || target.starts_with("moat::") || target.starts_with("moat_");
    ours || *about.level() <= Level::INFO
}

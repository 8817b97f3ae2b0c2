//! A stand-in for the `moby/buildkit` image, for the lab only: `buildkitd` and `buildctl` in one binary, told apart by
//! the name they are called by. The builds themselves are done by the BuildKit inside a Docker engine.
//!
//! It is no BuildKit and never what users get: it takes the flags, files and signals that the real one takes, as far as
//! tests can tell the difference, and refuses what it does not know instead of guessing.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "two command line tools that print")]

mod config;
mod ctl;
mod daemon;
mod dns;
mod engine;
mod table;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut args = std::env::args();
    let name = args.next().unwrap_or_default();
    if name.ends_with("buildctl") {
        return ctl::run(args).await.unwrap_or_else(|error| {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        });
    }
    // Like the real one: a daemon that was asked to stop ends with 1 too.
    let Err(error) = daemon::run(args).await;
    eprintln!("buildkitd: {error}");
    ExitCode::FAILURE
}

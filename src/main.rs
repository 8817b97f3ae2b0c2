//! The `moat` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    moat::cli::main()
}

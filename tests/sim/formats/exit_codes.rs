//! `docs/reference/exit-codes.md`.

use moat::cli::exit::ALL;

use super::document::{read, tables};

#[test]
fn the_page_lists_all_exit_codes() {
    let tables = tables(&read("exit-codes.md"));
    let promised = tables["Exit codes"].iter().map(|row| (row[0].clone(), row[1].clone()));
    let kept = ALL.iter().map(|(exit, meaning)| (exit.code().to_string(), (*meaning).to_owned()));
    assert!(promised.eq(kept));
}

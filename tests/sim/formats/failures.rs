//! `docs/reference/failures.md`.

use moat_plan::event::Code;

use super::document::{read, tables};

#[test]
fn the_page_lists_all_codes() {
    let tables = tables(&read("failures.md"));
    let promised: Vec<_> = tables["Failures"].iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let kept: Vec<_> = Code::ALL.iter().map(|code| (code.as_str().to_owned(), code.meaning().to_owned())).collect();
    assert_eq!(promised, kept);
    for row in &tables["Failures"] {
        assert!(!row[2].is_empty(), "`{}` does not say what to do", row[0]);
    }
}

//! The files that are generated from the language or that state its limits: `docs/reference/agent.md` and
//! `specs/agent.schema.json`. `UPDATE_EXPECT=1 cargo test --test spec pages::` writes the generated parts.

use std::fs;
use std::path::Path;

use expect_test::expect_file;
use moat_spec::diagnostic::DIAGNOSTICS_MAX;
use moat_spec::{Source, agent, foreign_keys, presets, reference, schema};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

fn page() -> String {
    read("docs/reference/agent.md")
}

#[test]
fn the_schema_is_generated_from_the_language() {
    expect_file!["../../specs/agent.schema.json"].assert_eq(&schema());
}

#[test]
fn the_tables_of_keys_and_presets_are_generated() {
    let page = page();
    let page = with_table(&page, "| key |", &reference());
    expect_file!["../../docs/reference/agent.md"].assert_eq(&with_table(&page, "| preset |", &presets()));
}

/// A page with another table in place of the one with this head.
fn with_table(page: &str, head: &str, table: &str) -> String {
    let start = page.find(head).expect("a table");
    let end = start + page[start..].find("\n\n").expect("text after the table") + 1;
    format!("{}{table}{}", &page[..start], &page[end..])
}

#[test]
fn the_page_names_every_foreign_key() {
    let page = page();
    let missing: Vec<_> = foreign_keys().filter(|key| !page.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/reference/agent.md must name {missing:?}");
}

/// The number after "more than" or "larger than" in the error for a text.
fn limit(text: String) -> String {
    let found = agent::parse(Source::new("agent.yaml", "/agent.yaml", text)).expect_err("it exceeds a limit");
    let message = found.items[0].message.clone();
    let (_, rest) = message.split_once(" than ").unwrap_or_else(|| panic!("{message}"));
    rest.split(' ').next().expect("a number").to_owned()
}

#[test]
fn the_page_states_the_limits() {
    let depth = limit(format!("{}{}", "[".repeat(60), "]".repeat(60)));
    let values = limit(format!("[{}]", "x,".repeat(100_000)));
    let size = limit("# long\n".repeat(1_000_000));
    let limits = format!("at most {size} KiB, {depth} levels of lists and mappings, and {values} values");
    assert!(page().contains(&limits), "{limits}");
    assert!(page().contains(&format!("At most {DIAGNOSTICS_MAX}")));
}

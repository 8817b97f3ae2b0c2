//! Diagnostics of invalid specs: the exact text of each case.
//!
//! A case is two files, `NAME.yaml` and the expected `NAME.txt`. `refused` contains invalid specs, `not_compiled` specs
//! whose parts do not fit together, and `values` small documents, each with the diagnostic of one value. Every
//! diagnostic of the language occurs at least once. `UPDATE_EXPECT=1 cargo test --test spec diagnostics::` writes the
//! expected texts; read the difference as a user would.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use expect_test::{expect, expect_file};
use moat::ui::Colour;
use moat::ui::render::diagnostic;
use moat_spec::compile::compile;
use moat_spec::{Capabilities, Diagnostic, Diagnostics, Source, agent};

/// The diagnostics of an invalid spec.
fn refused(text: &str) -> String {
    let source = Source::new("agent.yaml", "/agent.yaml", text);
    shown(&agent::parse(source).expect_err("the spec is wrong"))
}

/// The diagnostics of a valid spec that does not compile.
fn not_compiled(text: &str) -> String {
    let spec = agent::parse(Source::new("agent.yaml", "/agent.yaml", text)).expect("the spec can be read");
    shown(&compile(&spec, &Capabilities::builtin()).expect_err("the parts do not fit"))
}

fn shown(diagnostics: &Diagnostics) -> String {
    diagnostic::text(diagnostics, Colour::Never)
}

/// The diagnostics of the value in each document, in two lines: location and message, then the hint.
fn values(documents: &str) -> String {
    let one = |document: &str| {
        let line = document.strip_suffix('\n').expect("a document ends with a line feed");
        let text = format!("agent: a\n{document}");
        let found = match agent::parse(Source::new("agent.yaml", "/p/agent.yaml", text.as_str())) {
            Err(found) => found,
            Ok(spec) => match compile(&spec, &Capabilities::builtin()) {
                Err(found) => found,
                Ok(_) => panic!("no error in {line}"),
            },
        };
        let item = |item: &Diagnostic| {
            let hint = item.hint.as_deref().unwrap_or("no hint");
            format!("{line}\n  `{}` {}\n  {hint}\n", &text[item.span.clone()], item.message)
        };
        found.items.iter().map(item).collect::<String>()
    };
    documents.split("---\n").map(one).collect()
}

/// Checks every case of a folder before it fails.
fn check(folder: &str, at_least: usize, diagnose: fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec/diagnostics").join(folder);
    let files = |extension: &str| -> Vec<PathBuf> {
        let paths = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|it| it == extension)).collect();
        paths.sort();
        paths
    };
    let cases = files("yaml");
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
    let passes = |case: &&PathBuf| {
        let text = fs::read_to_string(case).expect("a case");
        catch_unwind(|| expect_file![case.with_extension("txt")].assert_eq(&diagnose(&text))).is_ok()
    };
    let wrong: Vec<&PathBuf> = cases.iter().filter(|case| !passes(case)).collect();
    assert!(wrong.is_empty(), "unexpected diagnostics: {wrong:#?}");
    let expected: Vec<PathBuf> = files("txt").iter().map(|path| path.with_extension("yaml")).collect();
    assert_eq!(expected, cases, "each case has one expected file");
}

#[test]
fn invalid_specs() {
    check("refused", 82, refused);
}

#[test]
fn specs_that_do_not_compile() {
    check("not_compiled", 4, not_compiled);
}

#[test]
fn invalid_values() {
    check("values", 3, values);
}

#[test]
fn too_many_values() {
    expect![[r#"
        error: more than 20000 values after alias expansion
         --> agent.yaml:1:40007
          |
         ::: 
        1 | ...x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,]
          |                                                                    ^
          |
          = help: a spec is far smaller; remove the aliases (`*…`)
    "#]]
    .assert_eq(&refused(&format!("agent: [{}]", "x,".repeat(20_000))));
}

#[test]
fn a_file_above_the_size_limit() {
    expect![[r#"
        error: the file is larger than 1024 KiB
         --> agent.yaml:1:1
          |
        1 | # nothing
          | ^
          |
          = help: is this the right file?
    "#]]
    .assert_eq(&refused(&"# nothing\n".repeat(200_000)));
}

#[test]
fn diagnostics_are_limited() {
    let text = (0..150).map(|i| format!("k{i}: x")).collect::<Vec<_>>().join("\n");
    let source = Source::new("agent.yaml", "/agent.yaml", text);
    let diagnostics = agent::parse(source).expect_err("the spec is wrong");
    assert_eq!(diagnostics.items.len(), 101);
    let last = &diagnostics.items[100];
    // The missing `agent` counts as well.
    assert_eq!(
        (last.message.as_str(), last.hint.as_deref()),
        ("51 more problems not shown", Some("fix the ones above first"))
    );
}

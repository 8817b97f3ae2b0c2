//! References to tests: each invariant of `docs/internals/architecture.md` names an existing test, and each planted bug
//! applies to the code.

use std::fs;
use std::path::Path;

/// The paragraphs of the page's invariants.
fn invariants() -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/internals/architecture.md"))
        .expect("the page");
    let (_, section) = page.split_once("\n## Invariants\n").expect("a section with the invariants");
    let section = section.split("\n## ").next().unwrap_or_default();
    let is_numbered = |line: &str| line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    let mut invariants = Vec::new();
    for line in section.lines() {
        match invariants.last_mut() {
            _ if is_numbered(line) => invariants.push(line.to_owned()),
            Some(last) if line.starts_with("   ") => *last += line,
            _ => {}
        }
    }
    invariants
}

/// Words in backticks that can only be names of tests.
fn tests_named_in(text: &str) -> Vec<&str> {
    let is_test = |word: &&str| word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    text.split('`').skip(1).step_by(2).filter(is_test).collect()
}

/// The text of every Rust file below `folder`.
fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(path).expect("a test file"));
        }
    }
}

#[test]
fn every_invariant_names_a_test_and_every_test_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    sources(&root.join("src"), &mut code);
    sources(&root.join("crates"), &mut code);
    sources(&root.join("tests"), &mut code);
    let invariants = invariants();
    assert!(invariants.len() > 10, "{invariants:?}");
    for invariant in invariants {
        let named = tests_named_in(&invariant);
        assert!(!named.is_empty(), "no test: {invariant}");
        for test in named {
            // A case of a diagnostic is a file.
            let case = root.join(format!("tests/spec/diagnostics/refused/{test}.yaml"));
            assert!(case.exists() || code.contains(&format!("fn {test}(")), "no test is called `{test}`");
        }
    }
}

/// A bug that does not apply to the code any more proves nothing about the tests.
#[test]
fn every_planted_bug_still_fits_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(root.join("tests/mutants")).expect("the folder of planted bugs");
    let is_diff = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "diff");
    let diffs: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).filter(is_diff).collect();
    assert!(diffs.len() >= 29, "only {} of them are there", diffs.len());
    let mut code = String::new();
    for folder in ["src", "crates", "tests"] {
        sources(&root.join(folder), &mut code);
    }
    for diff in diffs {
        let text = fs::read_to_string(&diff).expect("a diff");
        if let Some(arguments) = text.lines().nth(1).and_then(|line| line.strip_prefix("test: ")) {
            let name = arguments.rsplit("::").next().unwrap_or_default();
            assert!(code.contains(&format!("fn {name}(")), "{}: no test is called `{name}`", diff.display());
        }
        let mut command = std::process::Command::new("git");
        let output = command.args(["apply", "--check"]).arg(&diff).current_dir(root).output().expect("git runs");
        assert!(output.status.success(), "{}: {}", diff.display(), String::from_utf8_lossy(&output.stderr));
    }
}

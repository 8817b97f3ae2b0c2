//! Checks the sources against the design: allowed imports, and the only places of certain crates and calls.
//!
//! Reads text, not syntax: comments and test modules are removed first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module of the application may import only from rows below its own. The crates below it are held apart by their
/// manifests.
const ROWS: &[&[&str]] = &[
    &["clock"],
    &["observe"],
    &["local"],
    &["audit", "execute", "history", "ui"],
    &["reconcile"],
    &["watch"],
    &["cli"],
];

/// Words that may appear only below a folder or a file.
const ONLY: &[(&[&str], &[&str])] = &[
    (&["notify"], &["src/watch"]),
    (&["clap"], &["src/cli"]),
    (&["println!", "eprintln!", "print!(", "eprint!(", "dbg!"], &["src/ui"]),
    (
        &[
            "fs::write",
            "File::create",
            "OpenOptions",
            "create_dir",
            "remove_file",
            "remove_dir",
            "fs::rename",
            "fs::copy",
            "set_permissions",
            "symlink(",
        ],
        &["src/audit", "src/history", "src/local"],
    ),
];

/// The end of a file, in lines without its tests.
const LINES_MAX: usize = 400;

/// A source file: where it is below `src`, and what of it runs.
pub struct File {
    pub path: String,
    pub code: String,
    lines: usize,
}

pub fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    for entry in fs::read_dir(root.join("crates")).expect("the crates") {
        collect(&entry.expect("an entry").path().join("src"), &mut paths);
    }
    paths.sort();
    let files: Vec<File> = paths.iter().map(|path| file(root, path)).collect();
    assert!(files.len() > 50, "the sources have been found");
    files
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn file(root: &Path, path: &Path) -> File {
    let text = fs::read_to_string(path).expect("text");
    let tests = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let text = &text[..tests];
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let path = path.strip_prefix(root).expect("below src").to_string_lossy().into_owned();
    File { path, lines: text.lines().count(), code: code.collect::<Vec<_>>().join("\n") }
}

/// The module at the top that a file belongs to; `None`: it is the crate's own.
fn module(path: &str) -> Option<&str> {
    let name = path.strip_prefix("src/")?.split('/').next()?.trim_end_matches(".rs");
    (name != "lib" && name != "main").then_some(name)
}

fn row(module: &str) -> usize {
    let row = ROWS.iter().position(|row| row.contains(&module));
    row.unwrap_or_else(|| panic!("`{module}` has no row: the design knows every module"))
}

/// The modules at the top that code names, as in `crate::plan` and `crate::{plan, state}`.
fn imports(code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => {
                found.insert(word(rest));
            }
            Some(group) => {
                let (mut depth, mut expect) = (1, true);
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => expect = true,
                        c if expect && depth == 1 && c.is_alphanumeric() => {
                            found.insert(word(&group[i..]));
                            expect = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    found
}

#[test]
fn imports_go_down() {
    let mut up = Vec::new();
    for file in files() {
        let Some(own) = module(&file.path) else { continue };
        for other in imports(&file.code).into_iter().filter(|other| other != own) {
            if row(&other) >= row(own) {
                up.push(format!("{}: `{own}` (row {}) imports `{other}` (row {})", file.path, row(own), row(&other)));
            }
        }
    }
    assert!(up.is_empty(), "{up:#?}");
}

#[test]
fn each_effect_has_one_place() {
    let mut found = Vec::new();
    for file in files() {
        for (words, places) in ONLY {
            let is_place = places.iter().any(|place| file.path.starts_with(&format!("{place}/")));
            if is_place || !file.path.starts_with("src/") {
                continue;
            }
            let words = words.iter().filter(|word| has_word(&file.code, word));
            found.extend(words.map(|word| format!("{}: `{word}` belongs to {places:?}", file.path)));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Not as a part of a longer word: `eprintln!` has `println!` in it.
fn has_word(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(is_part);
        let ends_open = word.ends_with(is_part) && code[at + word.len()..].starts_with(is_part);
        !before && !ends_open
    })
}

#[test]
fn a_file_is_one_idea() {
    let long: BTreeMap<_, _> =
        files().into_iter().filter(|file| file.lines > LINES_MAX).map(|file| (file.path, file.lines)).collect();
    assert!(long.is_empty(), "lines without tests: {long:#?}");
}

#[test]
fn every_module_has_a_description() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let silent: Vec<_> = files()
        .into_iter()
        .map(|file| file.path)
        .filter(|path| !fs::read_to_string(root.join(path)).expect("text").starts_with("//! "))
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

/// A byte that is no text makes git, grep and reviews skip a whole file.
#[test]
fn every_source_is_text() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["src", "crates", "tests", "benches"] {
        collect(&root.join(folder), &mut paths);
    }
    let is_text = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_default();
        !text.is_empty() && text.chars().all(|c| c == '\n' || !c.is_control())
    };
    let others: Vec<_> = paths.into_iter().filter(|path| !is_text(path)).collect();
    assert!(others.is_empty(), "{others:#?}");
}

/// The reader of sources finds imports of every form.
#[test]
fn imports_are_found() {
    let code = "use crate::plan::{Action, Cause};\nuse crate::{state, graph::{Graph, Node}, ui};\nfn f(x: crate::event::Event) {}";
    let found: Vec<_> = imports(code).into_iter().collect();
    assert_eq!(found, ["event", "graph", "plan", "state", "ui"]);
    assert!(
        has_word("use clap::Args;", "clap") && !has_word("clapper", "clap") && !has_word("eprintln!()", "println!")
    );
}

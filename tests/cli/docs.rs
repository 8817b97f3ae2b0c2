//! The documentation as a whole: every page is in the book's table of contents, and every link leads to a file and a heading.
//!
//! The content is checked elsewhere: each reference page has its own test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Markdown file below `folder`.
fn pages(folder: &Path, into: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            pages(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            into.insert(path);
        }
    }
}

/// The pages that users read: those of the book, and those at the top of the repository.
fn all() -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for folder in ["docs", "tests/lab"] {
        pages(&root().join(folder), &mut all);
    }
    for entry in fs::read_dir(root()).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            all.insert(path);
        }
    }
    all
}

/// The lines of a page that are no code: neither fenced nor indented by four spaces after an empty line.
fn prose(text: &str) -> Vec<&str> {
    let (mut fenced, mut after_empty, mut indented) = (false, true, false);
    let mut lines = Vec::new();
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        indented = line.starts_with("    ") && (after_empty || indented);
        after_empty = line.trim().is_empty();
        if !fenced && !is_fence && !indented {
            lines.push(line);
        }
    }
    lines
}

/// The targets of the links and pictures of a page, without addresses of the web.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        for rest in line.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            if !target.contains("://") {
                links.push(target.to_owned());
            }
        }
    }
    links
}

/// The anchors of a page's headings, as GitHub and mdBook form them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).into_iter().filter(|line| line.starts_with('#'));
    let titles = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let is_kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    titles.map(|title| title.chars().filter(|c| is_kept(*c)).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn every_page_is_in_the_summary_once() {
    let docs = root().join("docs");
    let summary = docs.join("SUMMARY.md");
    let listed = links(&read(&summary));
    let mut there = BTreeSet::new();
    pages(&docs, &mut there);
    there.remove(&summary);
    let there: BTreeSet<String> =
        there.iter().map(|page| page.strip_prefix(&docs).expect("below").display().to_string()).collect();
    assert_eq!(listed.len(), listed.iter().collect::<BTreeSet<_>>().len(), "a page is listed twice");
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), there);
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    let mut followed = 0;
    for page in all() {
        let text = read(&page);
        for link in links(&text) {
            followed += 1;
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().expect("a folder").join(path) };
            let is_page = target.extension().is_some_and(|extension| extension == "md");
            let leads =
                target.exists() && (heading.is_empty() || !is_page || anchors(&read(&target)).contains(heading));
            if !leads {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(followed > 100, "only {followed} links");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Files and folders of the repository that a page names in backticks.
#[test]
fn every_path_that_is_named_exists() {
    let folders = ["tests/", "src/", "crates/", "specs/", "docs/", "benches/", "examples/", ".ci/", ".github/"];
    let mut missing = Vec::new();
    for page in all() {
        let text = prose(&read(&page)).join(" ");
        let words = text.split('`').skip(1).step_by(2).filter(|word| folders.iter().any(|it| word.starts_with(it)));
        let paths = words.filter(|word| !word.contains(['*', ' ']));
        missing.extend(paths.filter(|path| !root().join(path).exists()).map(|it| format!("{}: {it}", page.display())));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A page begins with one title, and no level of headings is skipped.
#[test]
fn every_page_has_one_title() {
    for page in all() {
        let text = read(&page);
        let levels: Vec<usize> = prose(&text)
            .into_iter()
            .filter(|line| line.starts_with('#'))
            .map(|line| line.len() - line.trim_start_matches('#').len())
            .collect();
        let is_summary = page.ends_with("SUMMARY.md");
        let titles = levels.iter().filter(|level| **level == 1).count();
        assert!(is_summary || (levels.first(), titles) == (Some(&1), 1), "{}: {levels:?}", page.display());
        let skips = levels.windows(2).any(|pair| pair[1] > pair[0] + 1);
        assert!(!skips, "{}: {levels:?}", page.display());
    }
}

/// The text of every test and expected diagnostic below `folder`.
fn expected(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            expected(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "txt") {
            into.push_str(&read(&path));
        }
    }
}

/// Each line of a current screen is in the expected text of a test, so that no screen is out of date.
#[test]
fn current_screens_are_texts_that_tests_expect() {
    let one_space = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut tests = String::new();
    for folder in ["cli", "engine", "spec"] {
        expected(&root().join("tests").join(folder), &mut tests);
    }
    // The page names no address of the lab.
    let tests = one_space(&tests).replace("10.213.213.1:5000", "registry.example");
    let page = read(&root().join("docs/internals/screens.md"));
    let screens: Vec<_> = page.split("\nAfter:\n\n```text\n").skip(1).map(|rest| rest.split("```").next()).collect();
    assert_eq!(screens.len(), 20);
    for line in screens.into_iter().flatten().flat_map(str::lines).map(one_space) {
        assert!(tests.contains(&line), "no test expects: {line}");
    }
}

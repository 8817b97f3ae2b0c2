//! No circle of imports between the files and subfolders of a folder.
//!
//! Reads text, not syntax. A `mod.rs` or `lib.rs` is the face of its folder and not one of its files: names that it
//! re-exports count as imports of the file that defines them.

use std::collections::{BTreeMap, BTreeSet};

use crate::layers::files;

/// The path of a module in its crate, as in `["cli", "load"]`; empty for the crate's root.
type Module = Vec<String>;

/// The modules of one crate.
#[derive(Default)]
struct Crate {
    /// The paths that each module names, absolute in the crate.
    named: BTreeMap<Module, Vec<Module>>,
    /// The names that each module re-exports, with their origin.
    exports: BTreeMap<(Module, String), Module>,
}

/// A name in a `use` declaration.
struct Use {
    path: Vec<String>,
    alias: String,
    is_public: bool,
}

impl Crate {
    /// Reads files by their path below `src`.
    fn of<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let files: BTreeMap<Module, &str> = files.map(|(path, code)| (module(path), code)).collect();
        let mut all = Self::default();
        for (module, code) in &files {
            let absolute = |path: &[String]| absolute(module, path, |it| files.contains_key(it));
            let mut named: Vec<Module> = inline(code).iter().filter_map(|path| absolute(path)).collect();
            for Use { path, alias, is_public } in uses(code) {
                let Some(path) = absolute(&path) else { continue };
                if is_public {
                    all.exports.insert((module.clone(), alias), path.clone());
                }
                named.push(path);
            }
            all.named.insert(module.clone(), named);
        }
        all
    }

    /// The module that defines what a path names. `depth` bounds re-exports of each other.
    fn definition(&self, path: &[String], depth: usize) -> Option<Module> {
        let at = (0..=path.len()).rev().find(|at| self.named.contains_key(&path[..*at]))?;
        let (module, rest) = path.split_at(at);
        let export = rest.first().and_then(|name| self.exports.get(&(module.to_vec(), name.clone())));
        match export {
            Some(origin) if depth > 0 => self.definition(&[origin, &rest[1..]].concat(), depth - 1),
            _ => Some(module.to_vec()),
        }
    }

    /// For each folder, what each of its files and subfolders imports of the others.
    fn imports(&self) -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
        let mut imports: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (module, named) in &self.named {
            for other in named.iter().filter_map(|path| self.definition(path, 8)) {
                let common = module.iter().zip(&other).take_while(|(one, other)| one == other).count();
                if let (Some(from), Some(to)) = (module.get(common), other.get(common)) {
                    let folder = imports.entry(module[..common].to_vec()).or_default();
                    folder.entry(from.clone()).or_default().insert(to.clone());
                }
            }
        }
        imports
    }

    /// One circle for each folder that has any, as in `cli: error -> load -> error`.
    fn circles(&self) -> Vec<String> {
        let circle = |(folder, imports): (Module, BTreeMap<String, BTreeSet<String>>)| {
            let circle = imports.keys().find_map(|start| circle(&imports, start))?;
            Some(format!("{}: {}", folder.join("/"), circle.join(" -> ")))
        };
        self.imports().into_iter().filter_map(circle).collect()
    }
}

/// The shortest path from `start` back to it.
fn circle(imports: &BTreeMap<String, BTreeSet<String>>, start: &str) -> Option<Vec<String>> {
    let (mut paths, mut seen) = (vec![vec![start.to_owned()]], BTreeSet::new());
    while !paths.is_empty() {
        let mut longer = Vec::new();
        for path in paths {
            for next in path.last().and_then(|last| imports.get(last)).into_iter().flatten() {
                let path = [&path[..], std::slice::from_ref(next)].concat();
                if next == start {
                    return Some(path);
                }
                if seen.insert(next.clone()) {
                    longer.push(path);
                }
            }
        }
        paths = longer;
    }
    None
}

fn module(path: &str) -> Module {
    let mut parts: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    parts.pop_if(|last| last == "mod" || last == "lib");
    parts
}

/// A path as seen from the crate's root; `None`: it is of another crate.
fn absolute(module: &[String], path: &[String], is_module: impl Fn(&Module) -> bool) -> Option<Module> {
    let above = path.iter().take_while(|part| *part == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => Some([&module[..module.len().checked_sub(above)?], &path[above..]].concat()),
        first => {
            let child = [module, &[first.to_owned()]].concat();
            is_module(&child).then(|| [module, path].concat())
        }
    }
}

/// The names of all `use` declarations.
fn uses(code: &str) -> Vec<Use> {
    let mut uses = Vec::new();
    for statement in code.split_inclusive(';') {
        let Some((before, tree)) = statement.rsplit_once("use ").filter(|_| statement.ends_with(';')) else { continue };
        let line = before.rsplit('\n').next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with("pub") {
            expand(tree.trim_end_matches(';'), &[], !line.is_empty(), &mut uses);
        }
    }
    uses
}

/// The names of a tree such as `a::{b, c::{d, e as f}}`.
fn expand(tree: &str, before: &[String], is_public: bool, uses: &mut Vec<Use>) {
    let segments = |text: &str| {
        let parts = text.split("::").map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect::<Vec<_>>()
    };
    if let Some((head, rest)) = tree.split_once('{') {
        let before = [before, &segments(head)].concat();
        let (mut depth, mut start) = (0, 0);
        let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
        for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&inner[start..at], &before, is_public, uses);
                    start = (at + 1).min(inner.len());
                }
                _ => {}
            }
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias)));
    let mut path = [before, &segments(path)].concat();
    path.pop_if(|last| last == "self");
    if let Some(last) = path.last() {
        let alias = alias.map_or_else(|| last.clone(), |alias| alias.trim().to_owned());
        uses.push(Use { path, alias, is_public });
    }
}

/// Paths such as `crate::ui::json` outside of declarations.
fn inline(code: &str) -> Vec<Vec<String>> {
    let statements = code.split_inclusive(';').filter(|statement| !statement.contains("use "));
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = statements.flat_map(|statement| statement.split(|c: char| !is_part(c)));
    let paths = words.filter(|word| word.starts_with("crate::") || word.starts_with("super::"));
    paths.map(|path| path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()).collect()
}

#[test]
fn no_folder_has_a_circle_of_imports() {
    let files = files();
    let mut crates: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for file in files.iter().filter(|file| !file.path.ends_with("main.rs")) {
        let (root, path) = file.path.split_once("src/").expect("a source file");
        crates.entry(root).or_default().push((path, &file.code));
    }
    let circles = crates.into_iter().flat_map(|(root, files)| {
        let circles = Crate::of(files.into_iter()).circles();
        circles.into_iter().map(move |circle| format!("{root}src/{circle}"))
    });
    assert_eq!(circles.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_planted_circle_is_found() {
    let circles = |files: &[(&str, &str)]| Crate::of(files.iter().copied()).circles();
    let (lib, none) = (("lib.rs", "mod a;\nmod b;\nmod c;\n"), Vec::<String>::new());
    // Direct, in groups, and by a path outside of declarations.
    assert_eq!(circles(&[lib, ("a.rs", "use super::b::B;\n"), ("b.rs", "use std::io;\n")]), none);
    assert_eq!(circles(&[lib, ("a.rs", "use super::b::B;\n"), ("b.rs", "use crate::a::A;\n")]), [": a -> b -> a"]);
    let grouped = ("b.rs", "use std::{\n    fs, io};\nuse crate::{\n    c::C,\n    a::{A, D as E},\n};\n");
    assert_eq!(circles(&[lib, ("a.rs", "fn f() { super::b::f(); }\n"), grouped]), [": a -> b -> a"]);
    // Over a third file, and by a name that the folder re-exports.
    let three = [("a.rs", "use super::b::B;\n"), ("b.rs", "use super::c;\n"), ("c.rs", "use super::A;\n")];
    assert_eq!(circles(&[&[lib][..], &three].concat()), none, "`A` may be the folder's own");
    let exports = ("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::A;\n");
    assert_eq!(circles(&[&[exports][..], &three].concat()), [": a -> b -> c -> a"]);
    // Between a file and a subfolder, and inside a subfolder.
    let folder = [("d/mod.rs", "mod e;\nmod f;\npub use e::E;\n"), ("d/e.rs", "use crate::a::A;\n")];
    let of_file = ("a.rs", "use crate::d::E;\n");
    assert_eq!(circles(&[&[lib, of_file][..], &folder].concat()), [": a -> d -> a"]);
    let inside = [("d/mod.rs", "mod e;\nmod f;\n"), ("d/e.rs", "use super::f::F;\n"), ("d/f.rs", "use super::e::E;\n")];
    assert_eq!(circles(&[&[lib][..], &inside].concat()), ["d: e -> f -> e"]);
    // The face of a folder may use its files, and they its types.
    assert_eq!(circles(&[("d/mod.rs", "mod e;\nuse e::E;\npub struct D;\n"), ("d/e.rs", "use super::D;\n")]), none);
}

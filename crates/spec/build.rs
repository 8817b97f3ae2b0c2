//! Lists the built-in capabilities: the YAML files of `specs/`, by the name that a dependency uses.
//!
//! Finds the files and their names, and inserts the files that they refer to; the unit tests of `catalogue` check the
//! contents.

#![expect(clippy::disallowed_methods, reason = "a build script reads and writes files")]

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The first key of a capability's file.
const KEY: &str = "capability: ";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("specs");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            println!("cargo::rerun-if-changed={}", path.display());
            entries.push((name(&path)?, whole(&path)?));
        }
    }
    // Directories have no fixed order.
    entries.sort();
    let mut list = String::from("&[\n");
    for (name, text) in entries {
        writeln!(list, "    ({name:?}, {text:?}),")?;
    }
    list.push_str("]\n");
    Ok(fs::write(PathBuf::from(env::var("OUT_DIR")?).join("builtin.rs"), list)?)
}

/// The text of a file. `content_of: FILE`, relative to it, becomes `content` with the text of that file.
fn whole(path: &Path) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for line in fs::read_to_string(path)?.lines() {
        let Some((indent, file)) = line.split_once("content_of: ") else {
            writeln!(text, "{line}")?;
            continue;
        };
        let file = path.with_file_name(file);
        println!("cargo::rerun-if-changed={}", file.display());
        writeln!(text, "{indent}content: |")?;
        for line in fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?.lines() {
            writeln!(text, "{}", format!("{indent}  {line}").trim_end())?;
        }
    }
    Ok(text)
}

/// The name of the capability in a file.
fn name(path: &Path) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let name = text.lines().find_map(|line| line.strip_prefix(KEY));
    Ok(name.ok_or_else(|| format!("{} has no line `{KEY}NAME`", path.display()))?.trim().trim_matches('"').to_owned())
}

//! Lists the built-in capabilities: the YAML files of `specs/`, by the name that a dependency uses.
//!
//! Only finds the files and their names; the unit tests of `catalogue` check their contents.

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
            entries.push((name(&path)?, path.to_str().ok_or("the path is not UTF-8")?.to_owned()));
        }
    }
    // Directories have no fixed order.
    entries.sort();
    let mut list = String::from("&[\n");
    for (name, path) in entries {
        writeln!(list, "    ({name:?}, include_str!({path:?})),")?;
    }
    list.push_str("]\n");
    Ok(fs::write(PathBuf::from(env::var("OUT_DIR")?).join("builtin.rs"), list)?)
}

/// The name of the capability in a file.
fn name(path: &Path) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let name = text.lines().find_map(|line| line.strip_prefix(KEY));
    Ok(name.ok_or_else(|| format!("{} has no line `{KEY}NAME`", path.display()))?.trim().to_owned())
}

//! Lists the YAML files of presets and of providers of grants, by name.
//!
//! Only finds the files; unit tests check their contents.

#![expect(clippy::disallowed_methods, reason = "a build script reads and writes files")]

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    list("presets")?;
    list("grants")
}

/// Lists the files of a folder.
fn list(kind: &str) -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(kind);
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            println!("cargo::rerun-if-changed={}", path.display());
            let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or("the name is not UTF-8")?;
            entries.push((name.to_owned(), path.to_str().ok_or("the path is not UTF-8")?.to_owned()));
        }
    }
    // Directories have no fixed order.
    entries.sort();
    let mut list = String::from("&[\n");
    for (name, path) in entries {
        writeln!(list, "    ({name:?}, include_str!({path:?})),")?;
    }
    list.push_str("]\n");
    Ok(fs::write(PathBuf::from(env::var("OUT_DIR")?).join(format!("{kind}.rs")), list)?)
}

//! The available dependencies as a table, one of them in detail, or JSON.

use serde::Serialize;

use crate::ui::encode;
use crate::ui::terminal::table;
use moat_model::resource::ImageRef;
use moat_spec::{Capabilities, Capability};

#[derive(Debug, Serialize)]
struct Document<'a> {
    dependencies: Vec<Dependency<'a>>,
}

#[derive(Debug, Serialize)]
struct Dependency<'a> {
    name: &'a str,
    summary: &'a str,
    versions: Option<String>,
    /// The user's file; null for a built-in dependency.
    file: Option<String>,
    services: Vec<&'a str>,
    image: Option<&'a str>,
    base: Option<&'a str>,
    packages: Vec<&'a str>,
    variables: Vec<&'a str>,
    volumes: Vec<&'a str>,
    presets: Vec<String>,
    needs: &'a [String],
    privileged: bool,
}

/// Returns one line for each dependency.
pub fn list(all: &Capabilities, each: &[Capability]) -> String {
    let row = |it: &Capability| {
        let versions = it.versions.as_ref().map(ToString::to_string).unwrap_or_default();
        let own = if all.file(&it.capability).is_some() { " (your own)" } else { "" };
        [it.capability.clone(), versions, format!("{}{own}", it.summary)]
    };
    table::text(["DEPENDENCY", "VERSIONS", "SUMMARY"], &each.iter().map(row).collect::<Vec<_>>())
}

/// Returns all effects of a dependency on a sandbox.
pub fn one(all: &Capabilities, it: &Capability) -> String {
    let about = Dependency::of(all, it);
    let mut text = format!("{}: {}\n", about.name.trim_end_matches(':'), about.summary);
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!("  {name:<10} {value}\n"));
        }
    };
    line("versions", about.versions.unwrap_or_default());
    line("file", about.file.unwrap_or_default());
    line("image", about.image.unwrap_or_default().to_owned());
    line("base", about.base.unwrap_or_default().to_owned());
    line("packages", about.packages.join(", "));
    line("services", about.services.join(", "));
    line("variables", about.variables.join(", "));
    line("volumes", about.volumes.join(", "));
    line("presets", about.presets.join(", "));
    line("needs", about.needs.join(", "));
    line("mounts", it.main.mounts.iter().map(|mount| mount.path.clone()).collect::<Vec<_>>().join(", "));
    line("privileged", if about.privileged { "yes".to_owned() } else { String::new() });
    text
}

/// Ends with a line feed.
pub fn json(all: &Capabilities, each: &[Capability]) -> String {
    encode::json(&Document { dependencies: each.iter().map(|it| Dependency::of(all, it)).collect() })
}

impl<'a> Dependency<'a> {
    fn of(all: &Capabilities, it: &'a Capability) -> Self {
        let install = it.install.as_ref();
        let sidecar_volumes = it.sidecars.iter().flat_map(|sidecar| &sidecar.volumes);
        Self {
            name: &it.capability,
            summary: &it.summary,
            versions: it.versions.as_ref().map(ToString::to_string),
            file: all.file(&it.capability).map(|file| file.display().to_string()),
            services: it.sidecars.iter().map(|sidecar| sidecar.name.as_str()).collect(),
            image: it.image.as_ref().map(ImageRef::as_str),
            base: install.and_then(|install| install.base.as_ref()).map(ImageRef::as_str),
            packages: install.iter().flat_map(|install| &install.packages).map(String::as_str).collect(),
            variables: it.main.env.keys().chain(it.main.secrets.keys()).map(String::as_str).collect(),
            volumes: it.main.volumes.iter().chain(sidecar_volumes).map(|volume| volume.name.as_str()).collect(),
            presets: it.presets.iter().map(ToString::to_string).collect(),
            needs: &it.needs,
            privileged: it.main.privileged || it.sidecars.iter().any(|sidecar| sidecar.privileged),
        }
    }
}

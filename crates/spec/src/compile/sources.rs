//! Checks the sources of mounts: not inside a folder that the sandbox can write, and no private files.
//!
//! Docker follows links in a source at every start. A sandbox that can write a folder can replace anything in it with a
//! link at any time, so such a source is rejected without a look at the file. The plan checks folders that other runs
//! can write.

use std::path::{Path, PathBuf};

use crate::diagnostic::quoted;
use crate::path_facts::{Private, PrivateKind};
use crate::{Capability, Diagnostic, Source, Spec};
use moat_model::resource::{Mount, MountSource};

/// A mount of a path, and its location in the spec.
struct Placed {
    mount: Mount,
    span: std::ops::Range<usize>,
}

/// All errors in the sources of the main container's mounts.
pub(super) fn faults(spec: &Spec, chosen: &[Capability]) -> Vec<Diagnostic> {
    let all = placed(spec, chosen);
    let mut found = Vec::new();
    for Placed { mount, span } in &all {
        let Some(source) = mount.path() else { continue };
        let shown = written(&spec.source, span, source);
        if let Some(private) = spec.path_facts.private.iter().find(|private| shows(spec, source, private)) {
            found.push(exposes(span, &shown, private));
            continue;
        }
        let outer = all.iter().map(|it| &it.mount).filter(|outer| !outer.read_only);
        if let Some((outer, place)) = outer.into_iter().find_map(|outer| Some((outer, within(spec, source, outer)?))) {
            let place = Path::new(&outer.target).join(place);
            let hint = format!(
                "the sandbox could replace it with a link to anything on the Docker host; use {} in the sandbox, or \
                 mount a path outside that folder",
                quoted(&place.to_string_lossy())
            );
            found.push(Diagnostic::error(span.clone(), reached(spec, &shown, source, outer)).hint(hint));
        }
    }
    found
}

/// The mounts of paths, from the spec and its capabilities.
fn placed(spec: &Spec, chosen: &[Capability]) -> Vec<Placed> {
    let own = spec.mounts.iter().zip(spec.mount_places()).map(|(mount, span)| Placed { mount: mount.clone(), span });
    let brought = spec.dependencies.iter().zip(chosen).flat_map(|(name, capability)| {
        capability.main.mounts.iter().map(|part| {
            let source = MountSource::Path(part.path.clone());
            let mount = Mount { source, target: part.target.clone(), read_only: part.read_only };
            Placed { mount, span: name.span.clone() }
        })
    });
    own.chain(brought).collect()
}

/// The place strictly inside `outer`, a mount that the sandbox can write, that `source` is at or goes through.
pub(super) fn within(spec: &Spec, source: &Path, outer: &Mount) -> Option<PathBuf> {
    let folder = outer.path()?;
    let folders = [folder, spec.path_facts.real(folder)];
    let below = |place: &Path| {
        let mut rests = folders.iter().filter_map(|folder| place.strip_prefix(folder).ok());
        rests.find(|rest| rest.components().next().is_some()).map(Path::to_owned)
    };
    spec.path_facts.locations(source).find_map(below)
}

fn reached(spec: &Spec, shown: &str, source: &Path, outer: &Mount) -> String {
    let is_in = |folder: &Path| source.starts_with(folder) && source != folder;
    let is_in_it = outer.path().is_some_and(|folder| is_in(folder) || is_in(spec.path_facts.real(folder)));
    let how = if is_in_it { "is inside" } else { "goes through a link in" };
    format!("{shown} {how} a folder that the sandbox can write, at {}", quoted(&outer.target))
}

/// Whether a mount of `source` exposes private files.
fn shows(spec: &Spec, source: &Path, private: &Private) -> bool {
    let sources = [source, spec.path_facts.real(source)];
    let mut places = std::iter::once(&private.path).chain(&private.locations);
    places.any(|place| {
        sources.iter().any(|source| match private.kind {
            PrivateKind::State => place.starts_with(source) || source.starts_with(place),
            // Mounting exactly this path is deliberate.
            PrivateKind::Keys => place.starts_with(source) && place != source,
        })
    })
}

fn exposes(span: &std::ops::Range<usize>, shown: &str, private: &Private) -> Diagnostic {
    let path = quoted(&private.path.to_string_lossy());
    let (message, hint) = match private.kind {
        PrivateKind::State => (
            format!("{shown} exposes moat's own files in {path} to the sandbox"),
            "mount a smaller folder, or move moat's files: `MOAT_STATE_DIR` names their folder",
        ),
        PrivateKind::Keys => (
            format!("{shown} exposes your keys in {path} to the sandbox"),
            "mount only the folders that the work needs",
        ),
    };
    Diagnostic::error(span.clone(), message).hint(hint)
}

/// The path as written in the spec if that is a path, otherwise the absolute path.
fn written(source: &Source, span: &std::ops::Range<usize>, path: &Path) -> String {
    let text = source.text.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
    let text = text.split(':').next().unwrap_or_default();
    let is_path = text.starts_with(['.', '/', '~']) && !text.contains(['\n', '{', '}']);
    if is_path { quoted(text) } else { quoted(&path.to_string_lossy()) }
}

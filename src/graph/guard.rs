//! What a spec is made of, in a folder that its own sandbox can write: each is mounted over itself, to be read only.
//!
//! Whoever works inside shall not ask for more by an edit. It keeps honest programs honest; what an edit asks for in
//! addition needs an approval all the same, whoever made it, and so does what cannot be mounted over: a file that is
//! not there yet, or one in whose place another was put from outside, with which Linux lets go of the mount.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::resource::{Mount, MountSource};
use crate::spec::secrets::SecretSource;
use crate::spec::{Capabilities, Spec};

/// The mounts that keep what `spec` is made of from being written through any of `mounts`.
pub(super) fn of_spec(spec: &Spec, capabilities: &Capabilities, mounts: &[Mount]) -> Vec<Mount> {
    let secrets = spec.secrets.values().filter_map(|source| match source {
        SecretSource::File(path) => Some(path.clone()),
        _ => None,
    });
    // The whole folder: one more capability in it would be a part of the spec as well.
    let own = capabilities.files().filter_map(|file| file.parent().map(Path::to_owned));
    let all = spec.reads.iter().cloned().chain(secrets).chain(own);
    of_paths(&all.chain([spec.source.path.clone()]).collect(), mounts)
}

fn of_paths(paths: &BTreeSet<PathBuf>, mounts: &[Mount]) -> Vec<Mount> {
    // What is in a folder that is guarded is guarded.
    let outermost = paths.iter().filter(|path| path.ancestors().skip(1).all(|above| !paths.contains(above)));
    outermost.flat_map(|path| mounts.iter().filter_map(|mount| over(path, mount, mounts))).collect()
}

/// The mount of `path` over the place where `mount` shows it, if it could be written there.
fn over(path: &Path, mount: &Mount, mounts: &[Mount]) -> Option<Mount> {
    let MountSource::Path(folder) = &mount.source else { return None };
    let rest = path.strip_prefix(folder).ok().filter(|rest| !mount.read_only && rest.components().next().is_some())?;
    let target = Path::new(&mount.target).join(rest);
    // Somebody may have put something else there or above it, which then is what is seen.
    let hides = |other: &Mount| {
        let place = Path::new(&other.target);
        target.starts_with(place) && place.starts_with(&mount.target) && place != Path::new(&mount.target)
    };
    let source = MountSource::Path(path.to_str()?.to_owned());
    let target_text = target.to_str()?.to_owned();
    (!mounts.iter().any(hides)).then_some(Mount { source, target: target_text, read_only: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(source: &str, target: &str, read_only: bool) -> Mount {
        Mount { source: MountSource::Path(source.to_owned()), target: target.to_owned(), read_only }
    }

    #[test]
    fn a_spec_is_guarded_wherever_it_could_be_written() {
        let spec = BTreeSet::from([PathBuf::from("/home/me/project/agent.yaml")]);
        let guarded = |mounts: &[Mount]| -> Vec<String> {
            of_paths(&spec, mounts).into_iter().map(|mount| format!("{} {}", mount.target, mount.read_only)).collect()
        };
        assert_eq!(guarded(&[mount("/home/me/project", "/workspace", false)]), ["/workspace/agent.yaml true"]);
        assert_eq!(guarded(&[mount("/home/me", "/me", false)]), ["/me/project/agent.yaml true"]);
        assert_eq!(guarded(&[mount("/home/me/project", "/workspace", true)]), [""; 0]);
        assert_eq!(guarded(&[mount("/home/you", "/you", false)]), [""; 0]);
        assert_eq!(guarded(&[mount("/home/me/project/agent.yaml", "/spec", false)]), [""; 0]);
        let hidden = [mount("/home/me/project", "/w", false), mount("/dev/null", "/w/agent.yaml", false)];
        assert_eq!(guarded(&hidden), [""; 0]);
        let above = [mount("/home/me", "/me", false), mount("/elsewhere", "/me/project", false)];
        assert_eq!(guarded(&above), [""; 0]);
        let beside = [mount("/home/me/project", "/w", false), mount("/elsewhere", "/w/agent", false)];
        assert_eq!(guarded(&beside), ["/w/agent.yaml true"]);
    }

    #[test]
    fn what_is_in_a_guarded_folder_is_guarded_with_it() {
        let paths = ["/p/agent.yaml", "/p/specs", "/p/specs/base.yaml", "/p/specs.env", "/other/base.yaml"];
        let guarded = of_paths(&paths.map(PathBuf::from).into(), &[mount("/p", "/workspace", false)]);
        let targets: Vec<&str> = guarded.iter().map(|mount| mount.target.as_str()).collect();
        assert_eq!(targets, ["/workspace/agent.yaml", "/workspace/specs", "/workspace/specs.env"]);
    }
}

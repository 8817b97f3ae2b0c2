//! A spec in a folder that its own sandbox can write: the file is mounted over itself, to be read only.
//!
//! Whoever works inside shall not ask for more by an edit. It keeps honest programs honest; what an edit asks for in
//! addition needs an approval all the same, whoever made it.

use std::path::Path;

use crate::resource::{Mount, MountSource};

/// The mounts that keep the file at `spec` from being written through any of `mounts`.
pub(super) fn of_spec(spec: &Path, mounts: &[Mount]) -> Vec<Mount> {
    let writable = mounts.iter().filter(|mount| !mount.read_only);
    let inside = writable.filter_map(|mount| {
        let MountSource::Path(folder) = &mount.source else { return None };
        let rest = spec.strip_prefix(folder).ok().filter(|rest| rest.components().next().is_some())?;
        let target = Path::new(&mount.target).join(rest).to_str()?.to_owned();
        // Somebody may have put something else there, which then is what is seen.
        let is_free = mounts.iter().all(|other| other.target != target);
        is_free.then(|| Mount {
            source: MountSource::Path(spec.to_string_lossy().into_owned()),
            target,
            read_only: true,
        })
    });
    inside.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(source: &str, target: &str, read_only: bool) -> Mount {
        Mount { source: MountSource::Path(source.to_owned()), target: target.to_owned(), read_only }
    }

    #[test]
    fn a_spec_is_guarded_wherever_it_could_be_written() {
        let spec = Path::new("/home/me/project/agent.yaml");
        let guarded = |mounts: &[Mount]| -> Vec<String> {
            of_spec(spec, mounts).into_iter().map(|mount| format!("{} {}", mount.target, mount.read_only)).collect()
        };
        assert_eq!(guarded(&[mount("/home/me/project", "/workspace", false)]), ["/workspace/agent.yaml true"]);
        assert_eq!(guarded(&[mount("/home/me", "/me", false)]), ["/me/project/agent.yaml true"]);
        assert_eq!(guarded(&[mount("/home/me/project", "/workspace", true)]), [""; 0]);
        assert_eq!(guarded(&[mount("/home/you", "/you", false)]), [""; 0]);
        assert_eq!(guarded(&[mount("/home/me/project/agent.yaml", "/spec", false)]), [""; 0]);
        let hidden = [mount("/home/me/project", "/w", false), mount("/dev/null", "/w/agent.yaml", false)];
        assert_eq!(guarded(&hidden), [""; 0]);
    }
}

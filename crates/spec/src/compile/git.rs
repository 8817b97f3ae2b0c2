//! What git needs in the sandbox: the common directory if it is outside the workspace, read-only hooks, and trust in a
//! workspace of another owner.
//!
//! The next user of the repository runs its hooks on the Docker host. Read-only hooks protect from mistakes and are not
//! a security boundary: git's configuration, which must stay writable, can name programs as well.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::sources;
use crate::diagnostic::quoted;
use crate::path_facts::{HooksFolder, Repository, Worktree};
use crate::{Diagnostic, Spec};
use moat_model::resource::{Extras, Mount, MountSource};

/// The variable that counts git's configuration entries in the environment.
const COUNT: &str = "GIT_CONFIG_COUNT";

/// The additional mounts that make the repositories in `mounts` complete.
pub(super) fn mounts(spec: &Spec, mounts: &[Mount]) -> Vec<Mount> {
    let mut all = Vec::new();
    for (mount, tree) in worktrees(spec, mounts) {
        let target = common_target(mount, tree);
        let (Some(source), Some(target)) = (tree.common.to_str(), target.to_str()) else { continue };
        let is_mounted = |other: &Mount| {
            other.target == target || other.shows(&tree.common).is_some_and(|place| place == Path::new(target))
        };
        let is_written = mounts.iter().any(|it| !it.read_only && sources::within(spec, &tree.common, it).is_some());
        if !is_written && !mounts.iter().chain(&all).any(is_mounted) {
            all.push(Mount {
                source: MountSource::Path(source.to_owned()),
                target: target.to_owned(),
                read_only: mount.read_only,
            });
        }
    }
    all
}

/// The additions to a container with `mounts`.
pub(super) fn extras(spec: &Spec, mounts: &[Mount]) -> Extras {
    let mut extras = Extras { env: trust(spec), ..Extras::default() };
    for mount in mounts.iter().filter(|mount| !mount.read_only) {
        let Some(folder) = mount.path() else { continue };
        if let Some(Repository::Whole { hooks }) = spec.path_facts.repositories.get(folder) {
            let of_hooks = guard_hooks(mount, &folder.join(".git"), *hooks, mounts);
            if !of_hooks.is_empty() {
                // A mount point cannot be renamed, so the git directory cannot be replaced.
                extras.mounts.extend(mount_over(mount, &folder.join(".git"), false, mounts));
                extras.mounts.extend(of_hooks);
            }
        } else if let Some((_, tree)) = worktrees(spec, mounts).find(|(_, tree)| tree.common == folder) {
            extras.mounts.extend(guard_hooks(mount, folder, tree.hooks, mounts));
        }
    }
    extras
}

/// Warnings about workspaces where git does not work.
pub(super) fn warnings(spec: &Spec) -> Vec<Diagnostic> {
    let Some(workspace) = spec.workspace() else { return Vec::new() };
    let Some(folder) = workspace.path() else { return Vec::new() };
    let path = |path: &Path| quoted(&path.to_string_lossy());
    let (message, hint) = match spec.path_facts.repositories.get(folder) {
        Some(Repository::Part { root }) => {
            let rest = folder.strip_prefix(root).unwrap_or(folder);
            let inside = Path::new(&workspace.target).join(rest);
            let hint = format!(
                "to share the whole repository, write `workspace: {{path: {}}}` and `workdir: {}`",
                root.display(),
                inside.display()
            );
            (
                format!(
                    "git does not work in the sandbox: the workspace is a subfolder of the repository {}",
                    path(root)
                ),
                hint,
            )
        }
        Some(Repository::Elsewhere { git_dir }) => (
            format!(
                "git does not work in the sandbox: the git directory {} does not know this workspace",
                path(git_dir)
            ),
            "`git worktree repair` fixes a moved work tree; for a submodule, use its parent as the workspace"
                .to_owned(),
        ),
        _ => return Vec::new(),
    };
    let at = if spec.places.has("workspace.path") { "workspace.path" } else { "workspace" };
    vec![Diagnostic::warning(spec.place(at), message).hint(hint)]
}

fn worktrees<'a>(spec: &'a Spec, mounts: &'a [Mount]) -> impl Iterator<Item = (&'a Mount, &'a Worktree)> {
    mounts.iter().filter_map(|mount| match spec.path_facts.repositories.get(mount.path()?)? {
        Repository::Worktree(tree) => Some((mount, tree)),
        _ => None,
    })
}

/// Where the file `.git` expects the common directory: an absolute path, or relative to the work tree.
fn common_target(mount: &Mount, tree: &Worktree) -> PathBuf {
    let mut target = PathBuf::new();
    for part in Path::new(&mount.target).join(&tree.named).components() {
        match part {
            std::path::Component::ParentDir => {
                target.pop();
            }
            part => target.push(part),
        }
    }
    // Removes `worktrees` and the name of the work tree.
    target.pop();
    target.pop();
    target
}

/// The mount that makes the hooks in `git_dir`, which is inside `mount`, read-only.
fn guard_hooks(mount: &Mount, git_dir: &Path, hooks: HooksFolder, mounts: &[Mount]) -> Vec<Mount> {
    let hooks_dir = git_dir.join("hooks");
    let guard = mount_over(mount, &hooks_dir, true, mounts);
    let guard = match hooks {
        HooksFolder::Folder => guard,
        HooksFolder::Missing => guard.map(|guard| Mount { source: MountSource::Empty, ..guard }),
        HooksFolder::Other => None,
    };
    guard.into_iter().collect()
}

/// Mounts `path` over itself inside `mount`, unless another mount hides that place.
fn mount_over(mount: &Mount, path: &Path, read_only: bool, mounts: &[Mount]) -> Option<Mount> {
    let target = mount.shows(path)?;
    let hides = |other: &Mount| {
        let place = Path::new(&other.target);
        target.starts_with(place) && place.starts_with(&mount.target) && place != Path::new(&mount.target)
    };
    if mounts.iter().any(hides) {
        return None;
    }
    let source = MountSource::Path(path.to_str()?.to_owned());
    Some(Mount { source, target: target.to_str()?.to_owned(), read_only })
}

/// Variables that make git work in a workspace of any owner.
fn trust(spec: &Spec) -> BTreeMap<String, String> {
    let Some(workspace) = spec.workspace() else { return BTreeMap::new() };
    if spec.env.contains_key(COUNT) || spec.concealed.contains_key(COUNT) || spec.secrets.contains_key(COUNT) {
        return BTreeMap::new();
    }
    let mut settings = vec![
        ("safe.directory", workspace.target.clone()),
        // Repositories in it; git before 2.46 takes the `*` literally.
        ("safe.directory", format!("{}/*", workspace.target)),
    ];
    let folder = workspace.path().unwrap_or(Path::new(""));
    if let Some(Repository::Worktree(_)) = spec.path_facts.repositories.get(folder) {
        // The other work trees are not visible in the sandbox, and git would prune them.
        settings.push(("gc.worktreePruneExpire", "never".to_owned()));
    }
    let mut env = BTreeMap::from([(COUNT.to_owned(), settings.len().to_string())]);
    for (i, (key, value)) in settings.into_iter().enumerate() {
        env.insert(format!("GIT_CONFIG_KEY_{i}"), key.to_owned());
        env.insert(format!("GIT_CONFIG_VALUE_{i}"), value);
    }
    env
}

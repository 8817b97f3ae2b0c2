//! Inspects the host paths that a spec mounts: links, files and git repositories.
//!
//! Reads only names, links and git's metadata files, and makes no decisions.

use std::collections::VecDeque;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::cli::environment::text;
use crate::cli::state_directory::state_directory;
use moat_model::resource::HostFile;
use moat_spec::path_facts::{HooksFolder, PathFacts, Private, PrivateKind, Repository, Worktree};
use moat_spec::{Capabilities, Spec};

/// The maximum number of links in one path that Linux follows.
const LINKS_MAX: usize = 40;

/// Fills in `spec.path_facts` for the paths mounted by `spec` and its capabilities.
pub fn inspect(spec: &mut Spec, capabilities: &Capabilities) {
    let own = spec.mounts.iter().filter_map(|mount| mount.path().map(Path::to_owned));
    let chosen = capabilities.closure(&spec.dependencies, spec.isolation);
    let brought = chosen.into_iter().flat_map(|it| it.main.mounts.into_iter().map(|mount| PathBuf::from(mount.path)));
    let paths: Vec<PathBuf> = own.chain(brought).collect();
    let mut facts = PathFacts { private: private(), ..PathFacts::default() };
    for path in paths {
        if let Some(found) = repository(&path) {
            if let Repository::Worktree(Worktree { common, .. }) = &found {
                facts.resolutions.insert(common.clone(), resolve(common));
            }
            facts.repositories.insert(path.clone(), found);
        }
        let resolved = resolve(&path);
        facts.files.extend(file(&resolved).map(|file| (path.clone(), file)));
        facts.resolutions.insert(path, resolved);
    }
    spec.path_facts = facts;
}

/// Resolves a path: the location of each link on it, then the final target, which may not exist.
fn resolve(path: &Path) -> Vec<PathBuf> {
    let (mut places, mut real) = (Vec::new(), PathBuf::from("/"));
    let mut left: VecDeque<OsString> = parts(path).collect();
    while let Some(part) = left.pop_front() {
        if part == ".." {
            real.pop();
            continue;
        }
        let next = real.join(&part);
        match fs::read_link(&next) {
            Ok(target) if places.len() < LINKS_MAX => {
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                places.push(next);
                parts(&target).collect::<Vec<_>>().into_iter().rev().for_each(|part| left.push_front(part));
            }
            _ => real = next,
        }
    }
    places.push(real);
    places
}

/// The regular file at the end of a resolved path.
fn file(resolved: &[PathBuf]) -> Option<HostFile> {
    let (last, links) = resolved.split_last()?;
    let facts = fs::symlink_metadata(last).ok().filter(fs::Metadata::is_file)?;
    let changed = |facts: &fs::Metadata| nanoseconds(facts.ctime(), facts.ctime_nsec());
    let born = facts.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Some(HostFile {
        device: facts.dev(),
        inode: facts.ino(),
        born: born.and_then(|since| i64::try_from(since.as_nanos()).ok()),
        modified: nanoseconds(facts.mtime(), facts.mtime_nsec()),
        changed: changed(&facts),
        linked: links.iter().filter_map(|link| fs::symlink_metadata(link).ok()).map(|link| changed(&link)).max(),
    })
}

fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

fn private() -> Vec<Private> {
    let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let keys = [".ssh", ".docker"].into_iter().filter_map(|name| Some(home.as_ref()?.join(name)));
    let keys = keys.chain(env::var_os("DOCKER_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from));
    let all = state_directory().into_iter().map(|path| (path, PrivateKind::State));
    let all = all.chain(keys.map(|path| (path, PrivateKind::Keys)));
    all.filter_map(|(path, kind)| {
        let path = std::path::absolute(path).ok()?;
        Some(Private { locations: resolve(&path), path, kind })
    })
    .collect()
}

/// The git repository of a directory, as git would find it.
fn repository(folder: &Path) -> Option<Repository> {
    let dot_git = folder.join(".git");
    match fs::symlink_metadata(&dot_git) {
        Ok(it) if it.is_dir() => is_git_dir(&dot_git).then(|| Repository::Whole { hooks: hooks(&dot_git) }),
        Ok(it) if it.is_file() => named(folder, &dot_git),
        // The target of a link may change before it is followed.
        Ok(_) => Some(Repository::Elsewhere { git_dir: dot_git }),
        Err(_) if folder.is_dir() => {
            let home = env::var_os("HOME").map(PathBuf::from);
            let mut above = folder.ancestors().skip(1).filter(|it| Some(*it) != home.as_deref());
            let root = above.find(|it| it.join(".git").is_file() || is_git_dir(&it.join(".git")))?;
            Some(Repository::Part { root: root.to_owned() })
        }
        Err(_) => None,
    }
}

fn is_git_dir(path: &Path) -> bool {
    path.join("HEAD").is_file() && path.join("objects").is_dir()
}

/// The repository named by a `.git` file. The sandbox could have written this file: it is trusted only if the repository
/// lists the directory as one of its work trees, as git does.
fn named(folder: &Path, dot_git: &Path) -> Option<Repository> {
    let line = text(dot_git).ok()?;
    let named = PathBuf::from(line.strip_prefix("gitdir:")?.trim());
    let git_dir = plain(&folder.join(&named));
    let read = |name: &str| text(&git_dir.join(name)).map(|text| PathBuf::from(text.trim()));
    let verified = || {
        let common = git_dir.parent()?.parent()?.to_owned();
        let is_common = plain(&git_dir.join(read("commondir").ok()?)) == common && is_git_dir(&common);
        let back = git_dir.join(read("gitdir").ok()?).canonicalize().ok()?;
        (is_common && back == dot_git.canonicalize().ok()?).then_some(common)
    };
    Some(match verified() {
        Some(common) => Repository::Worktree(Worktree { hooks: hooks(&common), named, common }),
        None => Repository::Elsewhere { git_dir },
    })
}

fn hooks(git_dir: &Path) -> HooksFolder {
    match fs::symlink_metadata(git_dir.join("hooks")) {
        Ok(it) if it.is_dir() => HooksFolder::Folder,
        Ok(_) => HooksFolder::Other,
        Err(_) => HooksFolder::Missing,
    }
}

/// Removes `.` and `..`, as in paths sent to the engine.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"];
        let output = Command::new("git").args(identity).args(arguments).current_dir(folder).output().expect("git");
        assert!(output.status.success(), "{output:?}");
    }

    #[test]
    fn every_link_of_a_path_is_listed_with_its_location() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("a path");
        fs::create_dir_all(root.join("a/b")).expect("folders");
        symlink("a", root.join("relative")).expect("a link");
        symlink(root.join("relative/b"), root.join("a/absolute")).expect("a link");
        symlink("loop", root.join("loop")).expect("a link");
        let named = |path: &str| -> Vec<String> {
            let places = resolve(&root.join(path)).into_iter();
            places.map(|it| it.strip_prefix(&root).expect("within").display().to_string()).collect()
        };
        assert_eq!(named("a/b"), ["a/b"]);
        assert_eq!(named("relative/b/missing"), ["relative", "a/b/missing"]);
        assert_eq!(named("relative/absolute"), ["relative", "a/absolute", "relative", "a/b"]);
        assert_eq!(named("relative/b/.."), ["relative", "a"]);
        assert_eq!(named("loop").len(), LINKS_MAX + 1);
    }

    #[test]
    fn a_work_tree_is_trusted_only_if_its_repository_lists_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("a path");
        let (repo, tree) = (root.join("repo"), root.join("tree"));
        fs::create_dir_all(repo.join("sub/folder")).expect("folders");
        assert_eq!(repository(&repo), None);
        git(&repo, &["init", "--quiet"]);
        git(&repo, &["commit", "--quiet", "--allow-empty", "-m", "a"]);
        git(&repo, &["worktree", "add", "--quiet", "../tree"]);
        let hooks = hooks(&repo.join(".git"));
        assert_eq!(repository(&repo), Some(Repository::Whole { hooks }));
        assert_eq!(repository(&repo.join("sub/folder")), Some(Repository::Part { root: repo.clone() }));
        let common = repo.join(".git");
        let named = common.join("worktrees/tree");
        assert_eq!(repository(&tree), Some(Repository::Worktree(Worktree { named, common, hooks })));

        // A copied `.git` file, and one that names a directory that is no repository.
        let other = root.join("other");
        fs::create_dir(&other).expect("a folder");
        fs::copy(tree.join(".git"), other.join(".git")).expect("a file");
        let elsewhere = |path: &str| Some(Repository::Elsewhere { git_dir: PathBuf::from(path) });
        assert_eq!(repository(&other), elsewhere(&repo.join(".git/worktrees/tree").display().to_string()));
        for path in ["/", "/etc", "/root/.ssh"] {
            fs::write(other.join(".git"), format!("gitdir: {path}\n")).expect("a file");
            assert_eq!(repository(&other), elsewhere(path));
        }
    }
}

//! Files between this machine and a container: packs what goes in, unpacks what comes out.
//!
//! The rules are those of `cp -r` and `docker cp`: into what is a directory, otherwise under the name that was given.
//! Nothing is unpacked outside of where it was asked for, whatever the archive says.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tar::{Archive, Builder, EntryType};

/// Why a copy did not come about.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("`{}` cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// How much came out of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Files, without directories and links.
    pub files: u64,
    pub bytes: u64,
}

/// Packs the file or directory at `from` as `name` into `to`.
///
/// # Errors
/// If something of it cannot be read, or `to` takes no more.
pub fn pack(from: &Path, name: &str, to: impl Write) -> Result<Copied, CopyError> {
    let refused = |source| CopyError::Read { path: from.to_owned(), source };
    let mut archive = Builder::new(to);
    // A link stays a link: what it points to may be anything of this machine.
    archive.follow_symlinks(false);
    let kind = fs::symlink_metadata(from).map_err(refused)?;
    if kind.is_dir() {
        archive.append_dir_all(name, from).map_err(refused)?;
    } else {
        archive.append_path_with_name(from, name).map_err(refused)?;
    }
    archive.into_inner().and_then(|mut to| to.flush()).map_err(refused)?;
    count(from).map_err(refused)
}

/// Unpacks an archive with one file or directory in it, which becomes `to`.
///
/// # Errors
/// If it cannot be written, or the archive breaks off.
pub fn unpack(from: impl Read, to: &Path) -> Result<Copied, CopyError> {
    let refused = |source| CopyError::Write { path: to.to_owned(), source };
    let mut copied = Copied::default();
    let mut archive = Archive::new(from);
    for entry in archive.entries().map_err(refused)? {
        let mut entry = entry.map_err(refused)?;
        let path = entry.path().map_err(refused)?.into_owned();
        // The first part is the name that it had in the container.
        let rest: PathBuf = path.components().skip(1).collect();
        if rest.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            return Err(refused(io::Error::other(format!("`{}` in the archive leads out of it", path.display()))));
        }
        let target = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(&rest) };
        let kind = entry.header().entry_type();
        if kind == EntryType::Directory {
            fs::create_dir_all(&target).map_err(refused)?;
            continue;
        }
        if !leads_nowhere_else(to, &rest) {
            return Err(refused(io::Error::other(format!("`{}` would be written through a link", path.display()))));
        }
        copied.bytes += entry.header().size().unwrap_or(0);
        copied.files += u64::from(kind.is_file());
        if kind == EntryType::Link {
            // A hard link's target is a name in the archive; its content is in it once, under that name.
            let link = entry.link_name().map_err(refused)?.unwrap_or_default();
            let link: PathBuf = link.components().skip(1).collect();
            fs::hard_link(to.join(link), &target).map_err(refused)?;
            continue;
        }
        entry.set_preserve_mtime(true);
        entry.unpack(&target).map_err(refused)?;
    }
    Ok(copied)
}

/// Whether no directory between `top` and the last part of `rest` is a link that an earlier entry has made.
fn leads_nowhere_else(top: &Path, rest: &Path) -> bool {
    let mut here = top.to_owned();
    let Some(parent) = rest.parent() else { return true };
    for part in parent.components() {
        here.push(part);
        if fs::symlink_metadata(&here).is_ok_and(|found| found.is_symlink()) {
            return false;
        }
    }
    true
}

fn count(path: &Path) -> io::Result<Copied> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return Ok(Copied { files: u64::from(found.is_file()), bytes: if found.is_file() { found.len() } else { 0 } });
    }
    let mut sum = Copied::default();
    for entry in fs::read_dir(path)? {
        let part = count(&entry?.path())?;
        sum = Copied { files: sum.files + part.files, bytes: sum.bytes + part.bytes };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
            header.set_size(if is_link { 0 } else { content.len() as u64 });
            if is_link {
                header.set_link_name(content).unwrap();
            }
            let name = header.as_old_mut();
            name.name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder.append(&header, if is_link { &[][..] } else { content.as_bytes() }).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn what_is_packed_comes_out_under_its_new_name() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::write(from.join("sub/a"), "one").unwrap();
        std::os::unix::fs::symlink("a", from.join("sub/b")).unwrap();
        let mut bytes = Vec::new();
        let packed = pack(&from, "x", &mut bytes).unwrap();
        let to = dir.path().join("to");
        assert_eq!(unpack(bytes.as_slice(), &to).unwrap(), packed);
        assert_eq!(packed, Copied { files: 1, bytes: 3 });
        assert_eq!(fs::read_to_string(to.join("sub/a")).unwrap(), "one");
        assert_eq!(fs::read_link(to.join("sub/b")).unwrap(), Path::new("a"));
    }

    #[test]
    fn an_archive_cannot_write_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let link = outside.to_str().unwrap();
        let bad: [&[(&str, EntryType, &str)]; 2] = [
            &[("x", EntryType::Directory, ""), ("x/../../outside/f", EntryType::Regular, "bad")],
            &[("x", EntryType::Directory, ""), ("x/l", EntryType::Symlink, link), ("x/l/f", EntryType::Regular, "bad")],
        ];
        for (i, entries) in bad.iter().enumerate() {
            let to = dir.path().join(format!("to{i}"));
            assert!(unpack(archive(entries).as_slice(), &to).is_err(), "{entries:?}");
            assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        }
    }

    #[test]
    fn an_archive_that_breaks_off_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let whole = archive(&[("x", EntryType::Regular, "content")]);
        assert!(unpack(&whole[..514], &dir.path().join("to")).is_err());
    }
}

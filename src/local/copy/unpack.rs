//! Unpacks an archive from a container. The archive is not trusted: nothing is created, written or linked outside of the
//! target.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::FileType;
use tar::{Archive, Entry, EntryType};

use super::folder::{self, Folder, kind};
use super::{Copied, CopyError, Reason, has_controls, shown};

/// The target of an archive.
#[derive(Debug)]
pub struct Target {
    pub folder: Folder,
    /// The new name of the top of the archive; `None` to unpack its contents into the directory itself.
    pub name: Option<OsString>,
    /// The path that the user gave, for messages.
    pub path: PathBuf,
}

/// A created directory. Its mode and time are set at the end, as a read-only mode would prevent further writes.
struct WrittenFolder {
    parts: Vec<OsString>,
    mode: u32,
    /// `None` if the archive has no time for it.
    modified: Option<u64>,
}

struct Unpacking<'a> {
    to: &'a Target,
    copied: Copied,
    made: Vec<WrittenFolder>,
    /// The last used directory, as a cache: archives list trees directory by directory.
    last: Option<(Vec<OsString>, Folder)>,
}

/// Unpacks an archive of one file or directory. `limit` is the maximum size of the archive in bytes, including headers,
/// because an archive of empty files can be endless as well; 0 means no limit.
///
/// # Errors
/// If a file cannot be written, or the archive is incomplete, too large, or has an entry outside of the target.
pub fn unpack(from: impl Read, to: &Target, limit: u64) -> Result<Copied, CopyError> {
    let over = Cell::new(false);
    let left = if limit == 0 { u64::MAX } else { limit };
    let mut archive = Archive::new(Limited { from, left, over: &over });
    let mut unpacking = Unpacking { to, copied: Copied::default(), made: Vec::new(), last: None };
    let mut last_name = String::new();
    let too_large = |name: &str| CopyError::TooLarge { limit, name: name.to_owned() };
    for entry in archive.entries().map_err(CopyError::Archive)? {
        let mut entry =
            entry.map_err(|error| if over.get() { too_large(&last_name) } else { CopyError::Archive(error) })?;
        last_name = shown(&entry.path_bytes());
        // Rejected before any part is written.
        if limit > 0 && entry.size().saturating_add(entry.raw_file_position()) > limit {
            return Err(too_large(&last_name));
        }
        unpacking.entry(&mut entry).map_err(|error| if over.get() { too_large(&last_name) } else { error })?;
    }
    unpacking.finish()
}

impl Unpacking<'_> {
    fn entry(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<(), CopyError> {
        let name = entry.path_bytes().into_owned();
        let parts = self.parts(&name)?;
        let entry_type = entry.header().entry_type();
        if parts.iter().any(|part| has_controls(part.as_bytes())) {
            self.copied.skipped.add(shown(&name), Reason::Name);
            return Ok(());
        }
        let Some((own, parents)) = parts.split_last() else {
            // The target itself, which exists.
            return if entry_type == EntryType::Directory { Ok(()) } else { Err(escape(&name)) };
        };
        match entry_type {
            EntryType::Directory => self.directory(entry, &parts),
            EntryType::Regular | EntryType::Continuous => self.file(entry, own, parents),
            EntryType::Symlink => {
                let target = entry.link_name_bytes().ok_or_else(|| escape(&name))?.into_owned();
                let modified = entry.header().mtime().unwrap_or(0);
                self.make(parents, own, "a link", |folder| {
                    folder.symlink(own, &target)?;
                    folder.touch_link(own, modified)
                })
            }
            EntryType::Link => self.hard_link(entry, own, parents),
            EntryType::XGlobalHeader => Ok(()),
            other => {
                self.copied.skipped.add(shown(&name), reason(other));
                Ok(())
            }
        }
    }

    /// Returns the path of an entry relative to the target, as plain names. The first component of the entry's name, its
    /// name in the container, is replaced.
    fn parts(&self, name: &[u8]) -> Result<Vec<OsString>, CopyError> {
        let path = Path::new(OsStr::from_bytes(name));
        let mut components = path.components();
        match components.next() {
            Some(Component::Normal(_) | Component::CurDir | Component::RootDir) => {}
            _ => return Err(escape(name)),
        }
        let mut parts: Vec<OsString> = self.to.name.iter().cloned().collect();
        for component in components {
            let Component::Normal(part) = component else { return Err(escape(name)) };
            parts.push(part.to_owned());
        }
        Ok(parts)
    }

    fn directory(&mut self, entry: &Entry<'_, impl Read>, parts: &[OsString]) -> Result<(), CopyError> {
        let Some((own, parents)) = parts.split_last() else { return Ok(()) };
        let path = self.path(parts);
        let folder = self.folder(parents)?;
        let is_new = folder.make(own).map_err(|source| CopyError::Write { path: path.clone(), source })?;
        if is_new {
            let (mode, modified) = (entry.header().mode().unwrap_or(0o755), entry.header().mtime().ok());
            self.made.push(WrittenFolder { parts: parts.to_vec(), mode, modified });
            return Ok(());
        }
        let found = folder.stat(own).map_err(|source| CopyError::Write { path: path.clone(), source })?;
        match found.as_ref().map(kind) {
            Some(FileType::Directory) | None => Ok(()),
            Some(other) => Err(CopyError::Kind { path, found: word(other), new: "a directory" }),
        }
    }

    fn file(&mut self, entry: &mut Entry<'_, impl Read>, own: &OsStr, parents: &[OsString]) -> Result<(), CopyError> {
        let (mode, modified) = (entry.header().mode().unwrap_or(0o644), entry.header().mtime().unwrap_or(0));
        let size = entry.size();
        self.make(parents, own, "a file", |folder| {
            let mut file = folder.create(own)?;
            if io::copy(entry, &mut file)? < size {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends early"));
            }
            folder::finish(&file, mode, Some(modified))
        })?;
        self.copied.files += 1;
        self.copied.bytes += size;
        Ok(())
    }

    /// The target of a hard link is a name in the archive, which was unpacked earlier. Like any other name, it cannot leave
    /// the target directory.
    fn hard_link(&mut self, entry: &Entry<'_, impl Read>, own: &OsStr, parents: &[OsString]) -> Result<(), CopyError> {
        let target = entry.link_name_bytes().unwrap_or_default().into_owned();
        let parts = self.parts(&target)?;
        let Some((old, old_parents)) = parts.split_last() else { return Err(escape(&target)) };
        let to = self.to;
        let refused = |source| CopyError::Write { path: self.path(&parts), source };
        let from = walk(&to.folder, old_parents).map_err(refused)?;
        let from = from.as_ref().unwrap_or(&to.folder);
        let is_file = from.stat(old).map_err(refused)?.is_some_and(|it| kind(&it) == FileType::RegularFile);
        if !is_file || (old == own && old_parents == parents) {
            return Err(escape(&target));
        }
        self.make(parents, own, "a link", |folder| folder.link(own, from, old))?;
        self.copied.files += 1;
        Ok(())
    }

    /// Creates an entry that is not a directory. Replaces an existing entry unless that is a directory.
    fn make(
        &mut self,
        parents: &[OsString],
        own: &OsStr,
        new: &'static str,
        make: impl FnOnce(&Folder) -> io::Result<()>,
    ) -> Result<(), CopyError> {
        let path = self.path(parents).join(own);
        let folder = self.folder(parents)?;
        let refused = |source| CopyError::Write { path: path.clone(), source };
        match folder.stat(own).map_err(refused)?.as_ref().map(kind) {
            None => {}
            Some(FileType::Directory) => return Err(CopyError::Kind { path, found: "a directory", new }),
            Some(_) => folder.remove(own).map_err(refused)?,
        }
        make(folder).map_err(refused)
    }

    /// Returns the directory at a path relative to the target. Creates missing directories.
    fn folder(&mut self, parts: &[OsString]) -> Result<&Folder, CopyError> {
        if parts.is_empty() {
            return Ok(&self.to.folder);
        }
        if self.last.as_ref().is_none_or(|(at, _)| at != parts) {
            let mut here: Option<Folder> = None;
            for (depth, part) in parts.iter().enumerate() {
                let folder = here.as_ref().unwrap_or(&self.to.folder);
                let refused = |source| CopyError::Write { path: self.path(&parts[..=depth]), source };
                if folder.make(part).map_err(refused)? {
                    self.made.push(WrittenFolder { parts: parts[..=depth].to_vec(), mode: 0o755, modified: None });
                }
                here = Some(folder.enter(part).map_err(|source| self.not_entered(folder, &parts[..=depth], source))?);
            }
            self.last = here.map(|folder| (parts.to_vec(), folder));
        }
        Ok(self.last.as_ref().map_or(&self.to.folder, |(_, folder)| folder))
    }

    fn not_entered(&self, folder: &Folder, parts: &[OsString], source: io::Error) -> CopyError {
        let path = self.path(parts);
        let found = parts.last().and_then(|own| folder.stat(own).ok().flatten());
        match found.as_ref().map(kind) {
            Some(found) if found != FileType::Directory => {
                CopyError::Kind { path, found: word(found), new: "a directory" }
            }
            _ => CopyError::Write { path, source },
        }
    }

    fn path(&self, parts: &[OsString]) -> PathBuf {
        parts.iter().fold(self.to.path.clone(), |path, part| path.join(part))
    }

    fn finish(self) -> Result<Copied, CopyError> {
        for made in self.made.iter().rev() {
            let refused = |source| CopyError::Write { path: self.path(&made.parts), source };
            if let Some(folder) = walk(&self.to.folder, &made.parts).map_err(refused)? {
                folder.finish(made.mode, made.modified).map_err(refused)?;
            }
        }
        Ok(self.copied)
    }
}

/// Opens a directory below another one; `None` if it is the directory itself.
fn walk(from: &Folder, parts: &[OsString]) -> io::Result<Option<Folder>> {
    let mut here: Option<Folder> = None;
    for part in parts {
        here = Some(here.as_ref().unwrap_or(from).enter(part)?);
    }
    Ok(here)
}

fn escape(name: &[u8]) -> CopyError {
    CopyError::Escape { name: shown(name) }
}

fn reason(entry: EntryType) -> Reason {
    match entry {
        EntryType::Fifo => Reason::Fifo,
        EntryType::Char | EntryType::Block => Reason::Device,
        _ => Reason::Unknown,
    }
}

fn word(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a directory",
        FileType::Symlink => "a link",
        FileType::RegularFile => "a file",
        _ => "neither a file nor a directory",
    }
}

/// A reader that fails after a number of bytes.
struct Limited<'a, R> {
    from: R,
    left: u64,
    /// Whether the limit was exceeded.
    over: &'a Cell<bool>,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        let Some(left) = self.left.checked_sub(count as u64) else {
            self.over.set(true);
            return Err(io::Error::other("larger than the limit"));
        };
        self.left = left;
        Ok(count)
    }
}

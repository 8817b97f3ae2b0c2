//! The context of a build: the files of a folder without those in `.dockerignore`, their digest, and their archive.
//!
//! The digest covers paths, kinds, modes, link targets and contents: all that can affect an image. Times and owners
//! are in neither the digest nor the archive. Extended attributes and devices are omitted.

mod ignore;
mod walk;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use ignore::Ignore;
use moat_model::resource::BuildContext;
use moat_model::resource::digest::hexadecimal;
use walk::{Entry, Kind, walk};

/// The maximum total size in bytes. A context is held in memory once, when it is sent; a larger one most likely
/// contains unrelated files.
pub const SIZE_MAX: u64 = 256 << 20;

/// The maximum number of files and folders: more usually means a forgotten `node_modules`.
pub const ENTRIES_MAX: usize = 100_000;

/// The maximum size of a `.dockerignore`, in bytes.
const LIST_MAX: u64 = 1 << 20;

/// The modification time of all files, in seconds since 1970. Fixed, so that equal files give equal archives.
pub const MODIFIED: u64 = 1;

/// A context as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The digest of all included files, in hexadecimal digits.
    pub digest: String,
    /// The included folders, with the context itself; absolute. To be watched for changes.
    pub folders: BTreeSet<PathBuf>,
    /// The possible `.dockerignore` files, existing or not.
    pub lists: Vec<PathBuf>,
}

/// Why a folder cannot be used as a context.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    #[error("the context has more than {} MiB", SIZE_MAX >> 20)]
    TooLarge,
    #[error("the context has more than {ENTRIES_MAX} files and folders")]
    TooMany,
    #[error("`{}` cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: io::Error },
    #[error("`{}`, line {line}: {why}", path.display())]
    BadPattern { path: PathBuf, line: usize, why: &'static str },
    #[error("the context has changed since it was read")]
    Changed,
}

impl ContextError {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge | Self::TooMany => "list unneeded files in `.dockerignore`, or use a smaller folder",
            Self::Unreadable { .. } => "check the path and its permissions, or list it in `.dockerignore`",
            Self::BadPattern { .. } => "`!` negates a pattern, `[` starts a character class, `\\` escapes a character",
            Self::Changed => "try again when no process writes into the folder",
        }
    }
}

/// Reads a context completely; `without` is a folder to exclude.
///
/// # Errors
/// If a file cannot be read, or the context is too large.
pub fn read(folder: &Path, dockerfile: &str, without: Option<&Path>) -> Result<Content, ContextError> {
    let ignore = Ignore::of(folder, dockerfile)?;
    let entries = walk(folder, &ignore, without)?;
    let mut all = Sha256::new();
    for entry in &entries {
        let content = match &entry.kind {
            Kind::Folder => String::new(),
            Kind::Link(target) => hexadecimal(target.as_os_str().as_encoded_bytes()),
            Kind::File { .. } => digest_of(&folder.join(&entry.path))?,
        };
        add(&mut all, entry, &content);
    }
    let folders = entries.iter().filter(|entry| entry.kind == Kind::Folder).map(|entry| folder.join(&entry.path));
    let above = entries.iter().filter_map(|entry| folder.join(&entry.path).parent().map(Path::to_owned));
    let folders = folders.chain(above).chain([folder.to_owned()]).collect();
    Ok(Content { digest: hexadecimal(&all.finalize()), folders, lists: Ignore::lists(folder, dockerfile).into() })
}

/// An entry of a context with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Relative to the context.
    pub path: PathBuf,
    /// The permissions.
    pub mode: u32,
    pub content: ItemContent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemContent {
    Folder,
    /// A link; its target is used as written.
    Link(PathBuf),
    File(Vec<u8>),
}

/// The entries of a context in memory, sorted by path, if the context is unchanged.
///
/// # Errors
/// As [`read`], and if its digest has changed.
pub fn items(context: &BuildContext) -> Result<Vec<Item>, ContextError> {
    let ignore = Ignore::of(&context.folder, &context.dockerfile)?;
    loaded(context, &ignore)
}

fn loaded(context: &BuildContext, ignore: &Ignore) -> Result<Vec<Item>, ContextError> {
    let folder = &context.folder;
    let entries = walk(folder, ignore, context.without.as_deref())?;
    let (mut items, mut all, mut size) = (Vec::with_capacity(entries.len()), Sha256::new(), 0);
    for entry in entries {
        let (body, said) = match &entry.kind {
            Kind::Folder => (ItemContent::Folder, String::new()),
            Kind::Link(target) => {
                (ItemContent::Link(target.clone()), hexadecimal(target.as_os_str().as_encoded_bytes()))
            }
            Kind::File { .. } => {
                let path = folder.join(&entry.path);
                let bytes = fs::read(&path).map_err(|why| ContextError::Unreadable { path, why })?;
                let said = hexadecimal(&Sha256::digest(&bytes));
                size += bytes.len() as u64;
                (ItemContent::File(bytes), said)
            }
        };
        // A file may have grown since it was listed.
        if size > SIZE_MAX {
            return Err(ContextError::TooLarge);
        }
        add(&mut all, &entry, &said);
        items.push(Item { path: entry.path, mode: entry.mode, content: body });
    }
    if hexadecimal(&all.finalize()) == context.digest { Ok(items) } else { Err(ContextError::Changed) }
}

/// The context as a tar archive, always with the Dockerfile, if the context is unchanged.
///
/// # Errors
/// As [`items`].
pub fn archive(context: &BuildContext, dockerfile: &str) -> Result<Vec<u8>, ContextError> {
    let folder = &context.folder;
    let ignore = Ignore::of(folder, &context.dockerfile)?;
    let items = loaded(context, &ignore)?;
    // The engine removes these after reading them if they are ignored.
    let list = ignore.list().map(|text| (".dockerignore", text));
    let own = [(context.dockerfile.as_str(), dockerfile)].into_iter().chain(list);
    let own: Vec<_> = own.filter(|(path, _)| items.iter().all(|item| item.path != Path::new(path))).collect();
    let mut tar = Builder::new(Vec::new());
    for Item { path, mode, content } in items {
        let failed = |why| ContextError::Unreadable { path: folder.join(&path), why };
        let mut header = header(mode);
        match content {
            ItemContent::Folder => {
                header.set_entry_type(EntryType::Directory);
                tar.append_data(&mut header, &path, io::empty()).map_err(failed)?;
            }
            ItemContent::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                tar.append_link(&mut header, &path, target).map_err(failed)?;
            }
            ItemContent::File(bytes) => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, &path, bytes.as_slice()).map_err(failed)?;
            }
        }
    }
    for (path, text) in own {
        let mut header = header(0o644);
        header.set_size(text.len() as u64);
        let failed = |why| ContextError::Unreadable { path: folder.join(path), why };
        tar.append_data(&mut header, path, text.as_bytes()).map_err(failed)?;
    }
    tar.into_inner().map_err(|why| ContextError::Unreadable { path: folder.clone(), why })
}

fn header(mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(mode);
    header.set_mtime(MODIFIED);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

/// Every part is prefixed by its length, so that different contexts never give the same text.
fn add(all: &mut Sha256, entry: &Entry, content: &str) {
    let kind = match entry.kind {
        Kind::Folder => "folder",
        Kind::Link(_) => "link",
        Kind::File { .. } => "file",
    };
    let path = entry.path.as_os_str().as_encoded_bytes();
    all.update(format!("{kind} {:o} {} {} ", entry.mode, path.len(), content.len()));
    all.update(path);
    all.update(content);
}

fn digest_of(path: &Path) -> Result<String, ContextError> {
    let failed = |why| ContextError::Unreadable { path: path.to_owned(), why };
    let mut file = File::open(path).map_err(failed)?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hexadecimal(&digest.finalize())),
            Ok(read) => digest.update(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = Self(tempfile::tempdir().expect("a folder"));
            folder.write("Dockerfile", "FROM scratch\n");
            folder.write("src/main", "1");
            folder.write("src/deep/file", "2");
            folder
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }

        fn digest(&self) -> String {
            read(self.0.path(), "Dockerfile", None).expect("readable").digest
        }

        fn context(&self) -> BuildContext {
            BuildContext {
                folder: self.0.path().to_owned(),
                without: None,
                dockerfile: "Dockerfile".to_owned(),
                target: None,
                args: std::collections::BTreeMap::new(),
                secrets: std::collections::BTreeMap::new(),
                digest: self.digest(),
            }
        }

        fn sent(&self) -> Vec<String> {
            let bytes = archive(&self.context(), "FROM scratch\n").expect("an archive");
            let mut archive = tar::Archive::new(bytes.as_slice());
            let paths = archive.entries().expect("entries").map(|entry| {
                let entry = entry.expect("an entry");
                assert_eq!(entry.header().mtime().expect("a time"), MODIFIED);
                entry.path().expect("a path").display().to_string()
            });
            let mut paths: Vec<String> = paths.collect();
            paths.sort();
            paths
        }
    }

    #[test]
    fn the_digest_covers_all_that_affects_an_image() {
        let folder = Folder::new();
        let first = folder.digest();
        assert_eq!(first.len(), 64);
        let root = folder.0.path();
        let other = |change: &str, before: &str| {
            let now = folder.digest();
            assert_ne!(now, before, "{change}");
            now
        };
        // Rewriting equal content changes nothing, whatever the time.
        let file = File::open(root.join("src/main")).expect("a file");
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("a time");
        folder.write("src/deep/file", "2");
        assert_eq!(folder.digest(), first);

        folder.write("src/main", "3");
        let now = other("bytes", &first);
        fs::set_permissions(root.join("src/main"), fs::Permissions::from_mode(0o755)).expect("a mode");
        let now = other("a mode", &now);
        fs::rename(root.join("src/main"), root.join("src/moved")).expect("it moves");
        let now = other("a path", &now);
        symlink("src/moved", root.join("link")).expect("a link");
        let now = other("a link", &now);
        fs::remove_file(root.join("link")).expect("it goes");
        symlink("elsewhere", root.join("link")).expect("a link");
        let now = other("where a link leads", &now);
        fs::create_dir(root.join("empty")).expect("a folder");
        let now = other("an empty folder", &now);
        folder.write(".dockerignore", ".dockerignore\nempty\nlink\nsrc/moved\nDockerfile\n");
        let now = other("what is ignored", &now);
        folder.write("src/moved", "4");
        folder.write("Dockerfile", "FROM busybox\n");
        assert_eq!(folder.digest(), now, "what is ignored does not count");
    }

    #[test]
    fn the_archive_has_the_files_read_and_the_dockerfile() {
        let folder = Folder::new();
        symlink("src/main", folder.0.path().join("link")).expect("a link");
        assert_eq!(folder.sent(), ["Dockerfile", "link", "src", "src/deep", "src/deep/file", "src/main"]);
        folder.write(".dockerignore", "*\n!src/deep\n");
        assert_eq!(folder.sent(), [".dockerignore", "Dockerfile", "src/deep", "src/deep/file"]);
        let context = folder.context();
        folder.write("src/deep/file", "other");
        assert!(matches!(archive(&context, ""), Err(ContextError::Changed)));
    }

    #[test]
    fn a_list_beside_the_dockerfile_replaces_the_other() {
        let folder = Folder::new();
        folder.write(".dockerignore", "src\n");
        folder.write("Dockerfile.dockerignore", "src/main\n*ignore\n");
        assert_eq!(folder.sent(), ["Dockerfile", "src", "src/deep", "src/deep/file"]);
        let folders = read(folder.0.path(), "Dockerfile", None).expect("readable").folders;
        let root = folder.0.path();
        assert_eq!(folders, [root.to_owned(), root.join("src"), root.join("src/deep")].into());
    }

    #[test]
    fn moats_own_files_are_excluded() {
        let folder = Folder::new();
        let root = folder.0.path();
        let (own, link) = (root.join("state/moat"), root.join("link"));
        let before = read(root, "Dockerfile", Some(&own)).expect("readable");
        folder.write("state/moat/key", "1");
        symlink("state", &link).expect("a link");
        for without in [&own, &link.join("moat")] {
            let found = read(root, "Dockerfile", Some(without)).expect("readable");
            assert_ne!(found.digest, before.digest, "the folder above it is there");
            assert!(!found.folders.contains(&own), "what moat writes is not watched");
            folder.write("state/moat/key", "2");
            assert_eq!(read(root, "Dockerfile", Some(without)).expect("readable"), found);
            let context = BuildContext { without: Some(without.clone()), digest: found.digest, ..folder.context() };
            let bytes = archive(&context, "FROM scratch\n").expect("an archive");
            let mut archive = tar::Archive::new(bytes.as_slice());
            let mut paths = archive
                .entries()
                .expect("entries")
                .map(|it| it.expect("an entry").path().expect("a path").into_owned());
            assert!(!paths.any(|path| path.starts_with("state/moat")));
        }
        let above = read(root, "Dockerfile", Some(Path::new("/nonexistent"))).expect("readable");
        assert!(above.folders.contains(&own), "only what is named is left out");
    }

    #[test]
    fn the_size_is_bounded() {
        let folder = Folder::new();
        let large = File::create(folder.0.path().join("large")).expect("a file");
        large.set_len(SIZE_MAX + 1).expect("a file with a hole");
        assert!(matches!(read(folder.0.path(), "Dockerfile", None), Err(ContextError::TooLarge)));
        folder.write(".dockerignore", "large\n");
        folder.digest();
        assert!(matches!(read(Path::new("/nonexistent"), "Dockerfile", None), Err(ContextError::Unreadable { .. })));
    }
}

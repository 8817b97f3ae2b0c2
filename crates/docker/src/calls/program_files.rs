//! The root file system of moat's own program: the executable, the shared libraries that this process has mapped, and a
//! folder for its state.
//!
//! Which libraries a program needs is known best by the process that runs it, so no file format is parsed here.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::elf;
use tar::{Builder, EntryType, Header};

/// Why a program cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("`{}`: {why}", path.display())]
    Unreadable { path: PathBuf, why: io::Error },
    #[error("`{}` is not a Linux program", .0.display())]
    NoProgram(PathBuf),
    #[error("`{}` is not a program for {architecture}", path.display())]
    Foreign { path: PathBuf, architecture: String },
    #[error("`{}` is not statically linked", .0.display())]
    Dynamic(PathBuf),
    #[error(transparent)]
    Archive(#[from] io::Error),
}

/// The executable in the image.
const PROGRAM: &str = "moat";

/// The folder for the state of the program, owned by its user.
const STATE: &str = "var/lib/moat";

/// The folder for what others may read.
const TRUST: &str = "var/lib/moat-ca";

/// The numeric user of the program: `nobody` of distroless images, which no distribution assigns to a user.
const USER: u64 = 65_532;

/// In seconds since 1970; fixed, so that equal files give equal archives.
const MODIFIED: u64 = 1;

/// The dynamic loader's path in programs for this architecture, as its ABI defines it.
#[cfg(target_arch = "x86_64")]
pub(crate) const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const LOADER: &str = "/lib/ld-linux-aarch64.so.1";

/// This process's program with its libraries.
pub(crate) fn of_this_process() -> Result<Vec<u8>, Unusable> {
    // Unlike the path of the executable, it is this very program, although an update may have replaced the file.
    let mut image = Image::new(Path::new("/proc/self/exe"))?;
    let maps = read(Path::new("/proc/self/maps"))?;
    for library in libraries(&String::from_utf8_lossy(&maps)) {
        image.library(&library)?;
    }
    if Path::new(LOADER).exists() {
        image.file(&in_image(Path::new(LOADER)), 0o755, &read(Path::new(LOADER))?)?;
    }
    image.finish()
}

/// A program that needs no libraries. `architecture`: the engine's.
pub(crate) fn of_static(program: &Path, architecture: &str) -> Result<Vec<u8>, Unusable> {
    Image::of(&static_program(program, architecture)?)?.finish()
}

/// The content of a program that needs no libraries.
pub(crate) fn static_program(program: &Path, architecture: &str) -> Result<Vec<u8>, Unusable> {
    let content = read(program)?;
    let header = elf::Header::read(&content).ok_or_else(|| Unusable::NoProgram(program.to_owned()))?;
    if !header.runs_on(architecture) {
        return Err(Unusable::Foreign { path: program.to_owned(), architecture: architecture.to_owned() });
    }
    if header.has_interpreter {
        return Err(Unusable::Dynamic(program.to_owned()));
    }
    Ok(content)
}

/// The archive of an image.
struct Image(Builder<Vec<u8>>);

impl Image {
    fn new(program: &Path) -> Result<Self, Unusable> {
        let content = read(program)?;
        if elf::Header::read(&content).is_none() {
            return Err(Unusable::NoProgram(program.to_owned()));
        }
        Self::of(&content)
    }

    fn of(content: &[u8]) -> Result<Self, Unusable> {
        let mut image = Self(Builder::new(Vec::new()));
        image.file(Path::new(PROGRAM), 0o755, content)?;
        image.folder(STATE, 0o700)?;
        image.folder(TRUST, 0o755)?;
        Ok(image)
    }

    fn library(&mut self, path: &Path) -> Result<(), Unusable> {
        self.file(&in_image(path), 0o755, &read(path)?)?;
        let Some(name) = path.file_name() else { return Ok(()) };
        for link in links(path)? {
            let mut header = header(EntryType::Symlink, 0o777, 0);
            self.0.append_link(&mut header, in_image(&link), name)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, mode: u32, content: &[u8]) -> Result<(), Unusable> {
        let mut header = header(EntryType::Regular, mode, content.len() as u64);
        Ok(self.0.append_data(&mut header, path, content)?)
    }

    fn folder(&mut self, path: &str, mode: u32) -> Result<(), Unusable> {
        let mut header = header(EntryType::Directory, mode, 0);
        header.set_uid(USER);
        header.set_gid(USER);
        Ok(self.0.append_data(&mut header, path, io::empty())?)
    }

    fn finish(self) -> Result<Vec<u8>, Unusable> {
        Ok(self.0.into_inner()?)
    }
}

pub(crate) fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(MODIFIED);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// The libraries in a list of mappings (`proc_pid_maps(5)`): files with code, besides the program itself.
pub(crate) fn libraries(maps: &str) -> Vec<PathBuf> {
    let library = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let rights = fields.nth(1)?;
        let path = fields.nth(3).filter(|path| path.starts_with('/') && path.contains(".so"))?;
        rights.contains('x').then(|| PathBuf::from(path))
    };
    let mut found: Vec<PathBuf> = maps.lines().filter_map(library).collect();
    found.sort();
    found.dedup();
    found
}

/// The links to a library beside it: some systems link the name that programs ask for to a file with a version.
pub(crate) fn links(library: &Path) -> Result<Vec<PathBuf>, Unusable> {
    let (Some(folder), Some(name)) = (library.parent(), library.file_name()) else { return Ok(Vec::new()) };
    let beside = fs::read_dir(folder).map_err(|why| Unusable::Unreadable { path: folder.to_owned(), why })?;
    let mut links: Vec<PathBuf> = beside.flatten().map(|entry| entry.path()).collect();
    links.retain(|link| fs::read_link(link).is_ok_and(|target| target.as_os_str() == name));
    links.sort();
    Ok(links)
}

fn in_image(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Unusable> {
    let mut content = Vec::new();
    let file = File::open(path).and_then(|mut file| file.read_to_end(&mut content));
    file.map(|_| content).map_err(|why| Unusable::Unreadable { path: path.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn libraries_are_mapped_files_with_code() {
        let maps = "\
            5580-5590 r-xp 00001000 fd:01 12 /usr/bin/moat\n\
            7f10-7f20 r--p 00000000 fd:01 34 /usr/lib/x86_64-linux-gnu/libc.so.6\n\
            7f20-7f30 r-xp 00001000 fd:01 34 /usr/lib/x86_64-linux-gnu/libc.so.6\n\
            7f30-7f40 r--p 00001000 fd:01 56 /usr/lib/locale/x.so.data\n\
            7f40-7f50 r-xp 00000000 fd:01 78 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n\
            7f50-7f60 rw-p 00000000 00:00 0\n\
            7f60-7f70 r-xp 00000000 00:00 0 [vdso]\n";
        let expected = ["/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/libc.so.6"];
        assert_eq!(libraries(maps), expected.map(PathBuf::from));
        assert_eq!(libraries(""), Vec::<PathBuf>::new());
    }

    #[test]
    fn the_image_has_the_program_its_libraries_and_a_folder_of_its_user() {
        let packed = of_this_process().expect("this is a Linux program");
        let mut archive = tar::Archive::new(packed.as_slice());
        let mut found = BTreeMap::new();
        for entry in archive.entries().expect("entries") {
            let entry = entry.expect("an entry");
            let path = entry.path().expect("a path").display().to_string();
            let owner = entry.header().uid().expect("an owner");
            found.insert(path, (entry.header().entry_type(), owner, entry.size()));
        }
        assert_eq!(found[STATE], (EntryType::Directory, USER, 0));
        let (kind, owner, size) = found[PROGRAM];
        assert_eq!((kind, owner), (EntryType::Regular, 0));
        assert_eq!(size, fs::metadata("/proc/self/exe").expect("this program").len());
        assert!(found.keys().any(|path| path.contains("libc")), "{found:?}");
        assert!(found.keys().all(|path| !path.starts_with('/')), "{found:?}");
    }

    #[test]
    fn a_script_is_no_program() {
        let file = std::env::temp_dir().join(format!("moat-no-program-{}", std::process::id()));
        fs::write(&file, "#!/bin/sh\n").expect("writable");
        assert!(matches!(of_static(&file, "x86_64"), Err(Unusable::NoProgram(_))));
        fs::remove_file(&file).expect("removable");
        assert!(matches!(of_static(&file, "x86_64"), Err(Unusable::Unreadable { .. })));
    }
}

//! The files of moat's own program in a sandbox, whose image may have other libraries, or none.
//!
//! The program has its loader and its libraries beside it, and a script that starts it with them. Everything is in a
//! folder of its own.

use std::path::{Path, PathBuf};

use tar::{Builder, EntryType};

use super::elf;
use super::program_files::{LOADER, Unusable, header, libraries, links, read, static_program};
use moat_session::layout;

/// The program, as the scripts below name it.
const PROGRAM: &str = "moat";

/// `$0` is the path of the script, as it was called.
const LOADED: &str = "#!/bin/sh\nd=${0%/*}\nexec \"$d/ld.so\" --library-path \"$d/lib\" \"$d/moat\" \"$@\"\n";
const STATIC: &str = "#!/bin/sh\nexec \"${0%/*}/moat\" \"$@\"\n";

/// Any user can add a folder for sessions, and none can remove another's.
const SESSIONS_MODE: u32 = 0o1777;

/// This process's program, as an archive for `/`.
pub(crate) fn of_this_process(folder: &str) -> Result<Vec<u8>, Unusable> {
    let mut files = Files::new(folder)?;
    // Unlike the path of the executable, it is this very program, although an update may have replaced the file.
    let program = read(Path::new("/proc/self/exe"))?;
    files.file(PROGRAM, &program)?;
    if elf::Header::read(&program).is_none_or(|header| !header.has_interpreter) {
        files.file(layout::LAUNCHER, STATIC.as_bytes())?;
        return files.finish();
    }
    files.file(layout::LOADER, &read(Path::new(LOADER))?)?;
    let maps = read(Path::new("/proc/self/maps"))?;
    for library in libraries(&String::from_utf8_lossy(&maps)) {
        let content = read(&library)?;
        for name in [vec![library.clone()], links(&library)?].concat().iter().filter_map(|path| path.file_name()) {
            files.file(Path::new("lib").join(name), &content)?;
        }
    }
    files.file(layout::LAUNCHER, LOADED.as_bytes())?;
    files.finish()
}

/// A program that needs no libraries, as an archive for `/`.
pub(crate) fn of_static(program: &Path, architecture: &str, folder: &str) -> Result<Vec<u8>, Unusable> {
    let mut files = Files::new(folder)?;
    files.file(PROGRAM, &static_program(program, architecture)?)?;
    files.file(layout::LAUNCHER, STATIC.as_bytes())?;
    files.finish()
}

struct Files {
    archive: Builder<Vec<u8>>,
    folder: PathBuf,
}

impl Files {
    fn new(folder: &str) -> Result<Self, Unusable> {
        let mut archive = Builder::new(Vec::new());
        let mut entry = header(EntryType::Directory, SESSIONS_MODE, 0);
        archive.append_data(&mut entry, relative(layout::SESSIONS), std::io::empty())?;
        Ok(Self { archive, folder: relative(folder).to_owned() })
    }

    fn file(&mut self, name: impl AsRef<Path>, content: &[u8]) -> Result<(), Unusable> {
        let mut entry = header(EntryType::Regular, 0o755, content.len() as u64);
        Ok(self.archive.append_data(&mut entry, self.folder.join(name), content)?)
    }

    fn finish(self) -> Result<Vec<u8>, Unusable> {
        Ok(self.archive.into_inner()?)
    }
}

fn relative(path: &str) -> &Path {
    Path::new(path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Without the libraries beside it, the program would take those of the image, or none.
    #[test]
    fn the_script_starts_the_program_with_its_own_libraries() {
        let folder = tempfile::tempdir().expect("a folder");
        let packed = of_this_process("/opt/a b").expect("this is a Linux program");
        tar::Archive::new(packed.as_slice()).unpack(folder.path()).expect("unpacked");
        let program = folder.path().join("opt/a b");
        assert!(program.join("lib/libc.so.6").exists());
        // The program is this test.
        let mut command = Command::new(program.join(layout::LAUNCHER));
        command.args(["--list", "the_script_starts_the_program"]);
        let listed = command.output().expect("it runs");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.contains("the_script_starts_the_program_with_its_own_libraries: test"), "{listed}");
    }
}

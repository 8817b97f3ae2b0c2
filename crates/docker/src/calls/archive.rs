//! Files as a tar archive, the form in which an engine takes them.

use std::io;

use tar::{Builder, Header};

use moat_model::resource::FileConfig;

/// In seconds since 1970. Fixed, so that the same files are the same archive; not 0, which some tools take for "unknown".
const MODIFIED: u64 = 1;

/// An archive of the files, to be unpacked at the root.
///
/// It has no entries for directories: an engine makes the missing ones by itself, as 0755 of root, and would give
/// those that exist (such as `/tmp`, 1777) the mode of an entry.
pub(crate) fn tar(files: &[FileConfig]) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    for file in files {
        let mut header = Header::new_gnu();
        header.set_size(file.content.len() as u64);
        header.set_mode(file.mode);
        header.set_mtime(MODIFIED);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, file.path.trim_start_matches('/'), file.content.as_bytes())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn file(path: &str, mode: u32, content: &str) -> FileConfig {
        FileConfig { path: path.to_owned(), mode, content: content.to_owned() }
    }

    #[test]
    fn files_arrive_as_they_are() {
        let long = format!("/opt/{}/f", "d".repeat(150));
        let files =
            [file("/etc/a.toml", 0o644, "a = 1\n"), file("/usr/local/bin/run", 0o755, ""), file(&long, 0o600, "x")];
        let bytes = tar(&files).expect("an archive");
        assert_eq!(bytes, tar(&files).expect("an archive"), "it depends on nothing but the files");

        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut found = Vec::new();
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let header = entry.header().clone();
            assert!(header.entry_type().is_file());
            assert_eq!((header.uid().ok(), header.gid().ok(), header.mtime().ok()), (Some(0), Some(0), Some(1)));
            let path = format!("/{}", entry.path().expect("a path").display());
            let mut content = String::new();
            entry.read_to_string(&mut content).expect("readable");
            found.push(file(&path, header.mode().expect("a mode"), &content));
        }
        assert_eq!(found, files);
    }

    #[test]
    fn a_path_cannot_climb_out() {
        assert!(tar(&[file("/../etc/passwd", 0o644, "")]).is_err());
    }
}

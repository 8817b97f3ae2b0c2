//! Packs files into a tar archive for upload.

use std::io;

use tar::{Builder, Header};

use moat_model::resource::FileConfig;

/// In seconds since 1970. Fixed, so that equal files give equal archives; not 0, which some tools read as "unknown".
const MODIFIED: u64 = 1;

/// An archive of the files, to be unpacked at `/`.
///
/// It has no entries for directories: an engine creates missing ones as root with mode 0755, and would apply the mode of
/// an entry to existing ones (such as `/tmp`, 1777).
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
    fn files_are_packed_with_content_mode_and_fixed_owner() {
        let long = format!("/opt/{}/f", "d".repeat(150));
        let files =
            [file("/etc/a.toml", 0o644, "a = 1\n"), file("/usr/local/bin/run", 0o755, ""), file(&long, 0o600, "x")];
        let bytes = tar(&files).expect("an archive");
        assert_eq!(bytes, tar(&files).expect("an archive"), "it depends only on the files");

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
    fn a_path_cannot_leave_the_root() {
        assert!(tar(&[file("/../etc/passwd", 0o644, "")]).is_err());
    }
}

//! Moves the program to its place, after it was copied into a container under another name.

use std::fs;
use std::io;
use std::path::Path;
use std::process;

/// Moves a folder to `place`, and what was there away: processes that run from it keep their files.
///
/// # Errors
/// If a folder cannot be moved. Of two concurrent installations, one succeeds and the other one fails.
pub fn install(folder: &Path, place: &Path) -> io::Result<()> {
    let old = folder.with_extension(format!("old-{}", process::id()));
    match fs::rename(place, &old) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::rename(folder, place)?;
    match fs::remove_dir_all(&old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_the_place_of_another() {
        let root = tempfile::tempdir().expect("a folder");
        let place = root.path().join("1");
        for content in ["first", "second"] {
            let new = root.path().join(format!("new-{content}"));
            fs::create_dir(&new).expect("created");
            fs::write(new.join("moat"), content).expect("written");
            install(&new, &place).expect("moved");
            assert_eq!(fs::read_to_string(place.join("moat")).expect("there"), content);
        }
        assert_eq!(fs::read_dir(root.path()).expect("readable").count(), 1, "nothing else is left");
    }
}

//! The local key for keyed digests of secrets.
//!
//! Digests of different keys cannot be compared: after a key change, moat replaces no container because of its secrets.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};

use super::private;
use moat_model::resource::secret::{SECRET_KEY_LEN, SecretKey};

/// The name of the file in the state directory.
const NAME: &str = "secret.key";

/// Reads the key, or creates one that only the user can read.
///
/// # Errors
/// If it can be neither read nor created.
pub fn secret_key(dir: &Path) -> io::Result<SecretKey> {
    let path = dir.join(NAME);
    match read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        done => return done,
    }
    private::folder(dir)?;
    let mut bytes = [0; SECRET_KEY_LEN];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system has no random bytes"))?;
    // A hard link of a complete file: a concurrent moat process sees all of it or nothing.
    let fresh = dir.join(format!("{NAME}.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&fresh, &path);
    std::fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => read(&path),
    }
}

fn read(path: &Path) -> io::Result<SecretKey> {
    let mut bytes = [0; SECRET_KEY_LEN];
    File::open(path)?.read_exact(&mut bytes)?;
    Ok(SecretKey::new(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use moat_model::resource::secret::{Secret, SecretText};

    #[test]
    fn the_key_is_created_once_and_is_private() {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path().join("deep/moat");
        let digest = |key: &SecretKey| Secret::new(SecretText::new("x"), "a", key).digest().to_owned();
        let first = secret_key(&dir).expect("a key");
        assert_eq!(digest(&first), digest(&secret_key(&dir).expect("the same key")));
        let mode = std::fs::metadata(dir.join(NAME)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().expect("a folder");
        assert_ne!(digest(&first), digest(&secret_key(other.path()).expect("another key")));
        assert_eq!(std::fs::read_dir(&dir).expect("a folder").count(), 1);
    }
}

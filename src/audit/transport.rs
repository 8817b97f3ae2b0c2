//! A bundle for verification on another machine: a tar archive of the log, its head and the public key.

use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use tar::{Archive, Builder, Header};

use super::files::{Files, refused};
use super::head::Head;
use super::key::SecretKey;
use super::verify::{VerifyError, check};
use super::{AuditError, PublicKey, Verified};

/// The files of a bundle.
const LOG: &str = "log.jsonl";
const HEAD: &str = "head.json";
const KEY: &str = "key.pub";

/// Writes the log below `state_dir` into a new file.
///
/// # Errors
/// If the log cannot be read, or the file already exists.
pub fn export(state_dir: &Path, to: &Path) -> Result<PublicKey, AuditError> {
    let files = Files::below(state_dir);
    let key = SecretKey::read(&files.key)?.public();
    let _lock = files.lock()?;
    let log = fs::read(&files.log).map_err(|source| refused(&files.log, source))?;
    let head = Head::text(&files.head)?.unwrap_or_default();
    let write = || -> io::Result<()> {
        let mut archive = Builder::new(File::create_new(to)?);
        for (name, content) in [(LOG, log.as_slice()), (HEAD, head.as_bytes()), (KEY, format!("{key}\n").as_bytes())] {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(1);
            archive.append_data(&mut header, name, content)?;
        }
        archive.into_inner()?.sync_all()
    };
    write().map_err(|source| refused(to, source))?;
    Ok(key)
}

/// Verifies a bundle with `key`, or with the key in the bundle.
///
/// # Errors
/// [`AuditError::Broken`] with the first broken entry; another error if the file is not a bundle.
pub fn verify_bundle(path: &Path, key: Option<&PublicKey>) -> Result<Verified, AuditError> {
    let wrong = |source| refused(path, source);
    let (mut log, mut head, mut own) = (None, None, None);
    let mut archive = Archive::new(BufReader::new(File::open(path).map_err(wrong)?));
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let name = entry.path().map_err(wrong)?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(wrong)?;
        match name.as_str() {
            LOG => log = Some(content),
            HEAD => head = String::from_utf8(content).ok(),
            KEY => own = String::from_utf8(content).ok().and_then(|text| PublicKey::parse(&text)),
            _ => {}
        }
    }
    let missing = |what: &str| wrong(io::Error::other(format!("`{what}` is missing")));
    let key = key.cloned().or(own).ok_or_else(|| missing(KEY))?;
    let log = log.ok_or_else(|| missing(LOG))?;
    let head = head.filter(|head| !head.is_empty());
    check(Cursor::new(log), head.as_deref(), &key).map_err(|error| match error {
        VerifyError::Broken(broken) => AuditError::Broken(broken),
        VerifyError::Read(source) => wrong(source),
    })
}

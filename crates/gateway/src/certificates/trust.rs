//! The certificates that clients of the agent plane need, as files in a folder that main can read.
//!
//! Another authority is made at each start, so the files are written at each start. Programs read them when they start.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Only the gateway's own certificate, for programs that add it to theirs.
pub const OWN_CERTIFICATE: &str = "ca.crt";

/// Public certificates, those of the configuration, and the gateway's own, for programs that know no others then.
pub const BUNDLE: &str = "bundle.crt";

/// Characters in a line of PEM (RFC 7468).
const LINE: usize = 64;

/// Writes the files. `own`: the gateway's certificate; `further`: those of the configuration; both in PEM.
pub(crate) fn write(folder: &Path, own: &str, further: &str) -> io::Result<()> {
    let mut bundle = String::from(own);
    bundle.push_str(further);
    if !bundle.ends_with('\n') {
        bundle.push('\n');
    }
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        append(&mut bundle, certificate);
    }
    put(&folder.join(BUNDLE), &bundle)?;
    put(&folder.join(OWN_CERTIFICATE), own)
}

/// Replaces a file at once. A privileged sandbox can write the folder: a link that it has left is removed, not followed.
fn put(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&new, path)
}

fn append(text: &mut String, certificate: &[u8]) {
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    let encoded = STANDARD.encode(certificate);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END CERTIFICATE-----\n");
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;
    use crate::certificates::Authority;

    #[test]
    fn a_bundle_has_all_certificates_and_another_one_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let (first, second) = (Authority::of(folder.path()).unwrap(), Authority::of(other.path()).unwrap());
        for own in [&first, &second] {
            write(folder.path(), own.pem(), first.pem()).unwrap();
            let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
            let all: Vec<_> = CertificateDer::pem_slice_iter(&read(BUNDLE)).collect::<Result<_, _>>().unwrap();
            assert_eq!(all.len(), 2 + webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
            assert_eq!(all[0], CertificateDer::from_pem_slice(own.pem().as_bytes()).unwrap());
            assert!(all.contains(&webpki_root_certs::TLS_SERVER_ROOT_CERTS[0]));
            assert_eq!(read(OWN_CERTIFICATE), own.pem().as_bytes());
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("policy.json");
        fs::write(&elsewhere, "rules").unwrap();
        for name in ["ca.new", "ca.crt", "bundle.new", "bundle.crt"] {
            std::os::unix::fs::symlink(&elsewhere, folder.path().join(name)).unwrap();
        }
        write(folder.path(), "own\n", "").unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "rules");
        assert_eq!(fs::read_to_string(folder.path().join(OWN_CERTIFICATE)).unwrap(), "own\n");
    }
}

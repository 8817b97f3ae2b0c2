//! TLS to an engine. The files are read and checked before a connection opens, so that errors name the file.
//!
//! The engine's certificate is always verified. The crypto provider is *ring*, for this client and not for the process.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::endpoint::{TlsFiles, TlsIdentity};

/// The TLS client configuration from the files.
///
/// # Errors
/// The file and the reason, as a message for the user.
pub(crate) fn client(files: &TlsFiles) -> Result<ClientConfig, String> {
    let roots = match &files.ca {
        Some(path) => roots_of(path)?,
        None => system_roots()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    match &files.identity {
        None => Ok(builder.with_no_client_auth()),
        Some(TlsIdentity { cert, key }) => {
            let (chain, secret) = (certificates(cert)?, private_key(key)?);
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|error| format!("`{}` and `{}` do not match: {error}", cert.display(), key.display()))
        }
    }
}

fn roots_of(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| format!("`{}` cannot be trusted: {error}", path.display()))?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 { Err("this system has no trusted certificate authorities".to_owned()) } else { Ok(roots) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(format!("`{}` contains no certificate", path.display())),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    match PrivateKeyDer::from_pem_file(path) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) => Err(format!("`{}` contains no private key", path.display())),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Describes the error, without the content of the file.
fn unreadable(path: &Path, error: &PemError) -> String {
    match error {
        PemError::Io(error) => format!("cannot read `{}`: {error}", path.display()),
        _ => format!("`{}` is not in PEM format", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).expect("written");
            path
        };
        let issued = rcgen::generate_simple_self_signed(vec!["box".to_owned()]).expect("a certificate");
        let other = rcgen::generate_simple_self_signed(vec!["box".to_owned()]).expect("a certificate");
        let good = write("good.pem", &issued.cert.pem());
        let key = write("key.pem", &issued.signing_key.serialize_pem());
        let wrong_key = write("wrong-key.pem", &other.signing_key.serialize_pem());
        let empty = write("empty.pem", "");
        let cut = write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
        let gone = dir.path().join("gone.pem");

        let with = |ca: &Path, cert: &Path, key: &Path| {
            let identity = Some(TlsIdentity { cert: cert.into(), key: key.into() });
            client(&TlsFiles { ca: Some(ca.into()), identity })
        };
        assert!(with(&good, &good, &key).is_ok());
        let table = [
            (with(&gone, &good, &key), "cannot read `gone.pem`: No such file"),
            (with(&empty, &good, &key), "`empty.pem` contains no certificate"),
            (with(&cut, &good, &key), "`cut.pem` is not in PEM"),
            (with(&good, &good, &empty), "`empty.pem` contains no private key"),
            (with(&good, &key, &key), "`key.pem` contains no certificate"),
            (with(&good, &good, &wrong_key), "do not match"),
        ];
        for (made, why) in table {
            let error = made.expect_err(why).replace(&format!("{}/", dir.path().display()), "");
            assert!(error.contains(why), "{error} does not say {why}");
        }
    }
}

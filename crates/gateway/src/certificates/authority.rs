//! The certificate authority of one gateway: created at its start, never stored.
//!
//! Clients trust it by the certificate in the status. The keys are in this process and nowhere else, so another start
//! has another authority.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use moat_policy::HostName;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The authority, and the certificates that it has made.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// One key for all hosts: it proves only that this is the gateway.
    key: KeyPair,
    pem: String,
    made: Mutex<Issued>,
}

#[derive(Default)]
struct Issued {
    hosts: BTreeMap<HostName, Leaf>,
    uses: u64,
}

struct Leaf {
    config: Arc<ServerConfig>,
    made: Instant,
    used: u64,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot write its key: {0}")]
    Key(io::Error),
    #[error("cannot use a certificate: {0}")]
    Tls(#[from] rustls::Error),
}

/// Hosts whose certificates are kept. Rules name few; a pattern may match many.
const HOSTS_MAX: usize = 256;

/// The file of the key, in the folder of the state, which no other container has.
const KEY: &str = "authority.key";

/// The life of the authority, counted from its last start.
const AUTHORITY_YEARS: i64 = 10;

/// Some clients reject certificates that are valid for longer than 398 days.
const LEAF_DAYS: i64 = 90;

/// After that a new certificate is made, long before the old one ends.
const LEAF_AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The protocols that clients can choose.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

impl Authority {
    /// The authority of a gateway with a folder: the same for each of its starts, so that programs that have read its
    /// certificate trust it as long as they run.
    pub fn of(folder: &Path) -> Result<Self, Unusable> {
        let file = folder.join(KEY);
        let known = std::fs::read_to_string(&file).ok().and_then(|pem| KeyPair::from_pem(&pem).ok());
        let Some(key) = known else {
            let key = KeyPair::generate()?;
            write_private(&file, &key.serialize_pem()).map_err(Unusable::Key)?;
            return Self::with(key);
        };
        Self::with(key)
    }

    fn with(key: KeyPair) -> Result<Self, Unusable> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "moat gateway of this sandbox");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        valid(&mut params, Span::new().years(AUTHORITY_YEARS));
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), key: KeyPair::generate()?, pem, made: Mutex::default() })
    }

    /// The certificate, without its key.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The TLS of a server that is the host.
    pub fn server(&self, name: &HostName) -> Result<Arc<ServerConfig>, Unusable> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.uses += 1;
        let used = made.uses;
        if let Some(leaf) = made.hosts.get_mut(name).filter(|leaf| leaf.made.elapsed() < LEAF_AGE) {
            leaf.used = used;
            return Ok(Arc::clone(&leaf.config));
        }
        let config = Arc::new(self.make(name)?);
        if made.hosts.len() >= HOSTS_MAX {
            let oldest = made.hosts.iter().min_by_key(|(_, leaf)| leaf.used).map(|(name, _)| name.clone());
            oldest.and_then(|name| made.hosts.remove(&name));
        }
        let leaf = Leaf { config: Arc::clone(&config), made: Instant::now(), used };
        made.hosts.insert(name.clone(), leaf);
        Ok(config)
    }

    fn make(&self, name: &HostName) -> Result<ServerConfig, Unusable> {
        let mut params = CertificateParams::new(vec![name.as_str().to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, "moat gateway");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        valid(&mut params, Span::new().days(LEAF_DAYS));
        let certificate: CertificateDer = params.signed_by(&self.key, &self.issuer)?.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = config.with_no_client_auth().with_single_cert(vec![certificate], key)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(config)
    }
}

/// Writes a file that only its user can read, whole or not at all.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let partial = file.with_extension("partial");
    let _ = std::fs::remove_file(&partial);
    let mut writer = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
    writer.write_all(text.as_bytes())?;
    std::fs::rename(partial, file)
}

/// From yesterday on, because clocks differ.
fn valid(params: &mut CertificateParams, length: Span) {
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    let day = |date: jiff::civil::Date| {
        let (month, day) = (u8::try_from(date.month()).unwrap_or(1), u8::try_from(date.day()).unwrap_or(1));
        date_time_ymd(date.year().into(), month, day)
    };
    params.not_before = day(today.saturating_sub(Span::new().days(1)));
    params.not_after = day(today.saturating_add(length));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn name(number: usize) -> HostName {
        format!("n{number}.example").parse().unwrap()
    }

    #[test]
    fn certificates_are_kept_and_limited() {
        let authority = Authority::with(KeyPair::generate().unwrap()).unwrap();
        let first = authority.server(&name(0)).unwrap();
        assert!(Arc::ptr_eq(&first, &authority.server(&name(0)).unwrap()));
        for number in 1..HOSTS_MAX {
            authority.server(&name(number)).unwrap();
        }
        assert!(Arc::ptr_eq(&first, &authority.server(&name(0)).unwrap()));
        authority.server(&name(HOSTS_MAX)).unwrap();
        let made = authority.made.lock().unwrap();
        assert_eq!(made.hosts.len(), HOSTS_MAX);
        assert!(made.hosts.contains_key(&name(0)) && !made.hosts.contains_key(&name(1)), "the least used one goes");
    }

    #[test]
    fn an_authority_has_one_private_key_for_all_starts() {
        let folder = tempfile::tempdir().unwrap();
        let key = |authority: &Authority| authority.issuer.key().serialize_der();
        let first = Authority::of(folder.path()).unwrap();
        assert!(first.pem().starts_with("-----BEGIN CERTIFICATE-----") && !first.pem().contains("KEY"));
        let file = folder.path().join(KEY);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(key(&Authority::of(folder.path()).unwrap()), key(&first));
        let other = tempfile::tempdir().unwrap();
        assert_ne!(key(&Authority::of(other.path()).unwrap()), key(&first));
        // What is left of a write that was interrupted.
        std::fs::write(&file, "-----BEGIN").unwrap();
        assert_ne!(key(&Authority::of(folder.path()).unwrap()), key(&first));
    }
}

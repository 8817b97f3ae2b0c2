//! TLS to real servers: their certificates are verified, against public roots and those of the configuration.

use std::io;
use std::sync::Arc;

use moat_policy::HostName;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::idle::Idle;

/// How servers are verified.
pub(crate) struct Roots {
    /// For clients that speak HTTP/2: the server may as well.
    either: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

/// Why the roots of a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnusableRoots {
    #[error("the roots of the configuration are not certificates: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    #[error("the roots of the configuration cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

impl Roots {
    /// The public roots, and further ones.
    ///
    /// # Errors
    /// If the text contains an invalid certificate.
    pub fn new(further: &str) -> Result<Self, UnusableRoots> {
        let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for root in CertificateDer::pem_slice_iter(further.as_bytes()) {
            store.add(root?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut http1 = config.with_root_certificates(store).with_no_client_auth();
        let mut either = http1.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        either.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { either: Arc::new(either), http1: Arc::new(http1) })
    }

    /// Begins TLS with a server that proves to be the host.
    pub async fn connect(&self, name: &HostName, http2: bool, stream: Idle) -> io::Result<TlsStream<Idle>> {
        let config = if http2 { &self.either } else { &self.http1 };
        let name = ServerName::try_from(name.as_str().to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await
    }
}

//! Opens connections to an engine: a socket, TCP with or without TLS, or `docker system dial-stdio` over ssh.
//!
//! Bytes only; what is spoken over them is [`wire`](super::wire)'s business.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::endpoint::{Endpoint, SshTarget};
use super::ssh::{self, LastWords};
use super::tls;

/// Opens one connection after the other to the same place.
#[derive(Clone)]
pub(crate) struct Dialer {
    place: Place,
}

#[derive(Clone)]
enum Place {
    Unix(PathBuf),
    Tcp { host: String, port: u16, tls: Option<(TlsConnector, ServerName<'static>)> },
    Ssh { target: SshTarget, last_words: LastWords },
}

/// A connection, whatever it is made of.
pub(crate) struct Line(Box<dyn ReadWrite>);

trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for T {}

impl Dialer {
    /// Prepares to open connections, and checks what can be checked without one.
    ///
    /// # Errors
    /// If TLS files cannot be used; for a person.
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, String> {
        let place = match endpoint {
            Endpoint::Unix(path) => Place::Unix(path.clone()),
            Endpoint::Tcp { host, port, tls } => {
                let tls = match tls {
                    None => None,
                    Some(files) => {
                        let name = ServerName::try_from(host.clone())
                            .map_err(|_| format!("`{host}` is not a name that a certificate can have"))?;
                        Some((TlsConnector::from(Arc::new(tls::client(files)?)), name))
                    }
                };
                Place::Tcp { host: host.clone(), port: *port, tls }
            }
            Endpoint::Ssh(target) => Place::Ssh { target: target.clone(), last_words: LastWords::default() },
        };
        Ok(Self { place })
    }

    /// What the other end said besides HTTP, if anything: ssh's own complaint.
    pub(crate) fn last_words(&self) -> Option<String> {
        match &self.place {
            Place::Ssh { last_words, .. } => last_words.get(),
            Place::Unix(_) | Place::Tcp { .. } => None,
        }
    }

    async fn dial(self) -> io::Result<Line> {
        Ok(Line(match self.place {
            Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Place::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host, port)).await?;
                // Requests are small, and each waits for its answer.
                stream.set_nodelay(true)?;
                match tls {
                    None => Box::new(stream),
                    Some((connector, name)) => Box::new(connector.connect(name, stream).await?),
                }
            }
            Place::Ssh { target, last_words } => Box::new(ssh::dial(&target, last_words)?),
        }))
    }
}

/// hyper asks for connections through this; the address in a request is only for its `Host` header.
impl Service<Uri> for Dialer {
    type Response = TokioIo<Line>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Line>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial().await.map(TokioIo::new) })
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

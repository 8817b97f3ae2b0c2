//! Opens connections to an engine: a socket, TCP with or without TLS, or `docker system dial-stdio` over ssh.
//!
//! Bytes only; [`wire`](super::wire) speaks HTTP over them.

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
use super::ssh::{self, LastErrorLine};
use super::tls;

/// Opens connections to one endpoint.
#[derive(Clone)]
pub(crate) struct Dialer {
    place: Place,
}

#[derive(Clone)]
enum Place {
    Unix(PathBuf),
    Tcp { host: String, port: u16, tls: Option<(TlsConnector, ServerName<'static>)> },
    Ssh { target: SshTarget, last_error_line: LastErrorLine },
}

/// A connection of any kind.
pub(crate) struct Line(Box<dyn ReadWrite>);

trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for T {}

impl Dialer {
    /// Creates a dialer, and checks the TLS files.
    ///
    /// # Errors
    /// If TLS files cannot be used; a message for the user.
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, String> {
        let place = match endpoint {
            Endpoint::Unix(path) => Place::Unix(path.clone()),
            Endpoint::Tcp { host, port, tls } => {
                let tls = match tls {
                    None => None,
                    Some(files) => {
                        let name = ServerName::try_from(host.clone())
                            .map_err(|_| format!("`{host}` is not a valid name for a certificate"))?;
                        Some((TlsConnector::from(Arc::new(tls::client(files)?)), name))
                    }
                };
                Place::Tcp { host: host.clone(), port: *port, tls }
            }
            Endpoint::Ssh(target) => Place::Ssh { target: target.clone(), last_error_line: LastErrorLine::default() },
        };
        Ok(Self { place })
    }

    /// The last line that ssh wrote to standard error.
    pub(crate) fn last_error_line(&self) -> Option<String> {
        match &self.place {
            Place::Ssh { last_error_line, .. } => last_error_line.get(),
            Place::Unix(_) | Place::Tcp { .. } => None,
        }
    }

    async fn dial(self) -> io::Result<Line> {
        Ok(Line(match self.place {
            Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Place::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host, port)).await?;
                // Requests are small, and each waits for its response.
                stream.set_nodelay(true)?;
                match tls {
                    None => Box::new(stream),
                    Some((connector, name)) => Box::new(connector.connect(name, stream).await?),
                }
            }
            Place::Ssh { target, last_error_line } => Box::new(ssh::dial(&target, last_error_line)?),
        }))
    }
}

/// How hyper opens connections. The address in a request only sets its `Host` header.
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

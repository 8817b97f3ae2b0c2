//! The session of a build: a connection that the engine uses in the other direction, as a client of moat's services.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderValue, Method, header};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use moat_build_context::Item;
use moat_model::engine::Call;
use moat_model::resource::Secret;
use moat_model::resource::digest::hexadecimal;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::task::JoinHandle;

use super::files::Files;
pub(crate) use super::services::Login;
use super::services::{METHODS, Services};
use crate::Docker;
use crate::transport::fault::Failure;
use crate::transport::upgrade::upgraded;
use crate::transport::wire;

/// An open session. It ends when it is dropped.
pub(crate) struct Session {
    id: String,
    served: JoinHandle<()>,
}

/// What a session is opened for.
#[derive(Default)]
pub(crate) struct Provided {
    /// The files of the context; the Dockerfile is not one of them if it is ignored.
    pub context: Vec<Item>,
    /// The path and the text of the Dockerfile.
    pub dockerfile: (String, String),
    pub secrets: BTreeMap<String, Secret>,
    pub logins: BTreeMap<String, Login>,
    /// The digest of all files. BuildKit keeps the files of a session, and takes files of one key as unchanged if their
    /// sizes and times are equal, which they always are here.
    pub digest: String,
}

/// In bytes: guessing an id would give access to the secrets of the build.
const ID_LEN: usize = 16;

impl Session {
    pub(crate) async fn open(docker: &Docker, provided: Provided) -> Result<Self, Failure> {
        let mut id = [0; ID_LEN];
        SystemRandom::new().fill(&mut id).map_err(|_| Failure::Unsendable("no random numbers".to_owned()))?;
        let id = hexadecimal(&id);
        let upgraded = docker
            .call(Call::Build, async {
                let mut request = wire::plain(Method::POST, "/session")?;
                let headers = request.headers_mut();
                let named = [("uuid", id.as_str()), ("name", "moat"), ("sharedkey", provided.digest.as_str())];
                for (name, value) in named {
                    let name = header::HeaderName::try_from(format!("x-docker-expose-session-{name}"));
                    let value = HeaderValue::try_from(value);
                    let (Ok(name), Ok(value)) = (name, value) else { continue };
                    headers.insert(name, value);
                }
                for method in METHODS {
                    headers.append("x-docker-expose-session-grpc-method", HeaderValue::from_static(method));
                }
                upgraded(&docker.wire, request, "h2c").await
            })
            .await?;
        let Provided { context, dockerfile: (path, text), secrets, logins, digest: _ } = provided;
        let (context, dockerfile) = (Files::new(context), Files::one(&path, &text));
        let services = Arc::new(Services { context, dockerfile, secrets, logins });
        let served = tokio::spawn(async move {
            let service = service_fn(move |request| {
                let services = Arc::clone(&services);
                async move { Ok::<_, Infallible>(services.answer(request).await) }
            });
            let connection = http2::Builder::new(TokioExecutor::new());
            // If it breaks, the build fails, and says why.
            if let Err(error) = connection.serve_connection(upgraded, service).await {
                tracing::debug!(%error, "the session of a build has ended");
            }
        });
        Ok(Self { id, served })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.served.abort();
    }
}

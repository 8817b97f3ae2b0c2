//! What BuildKit can ask a session for: the files of the build, its secrets, and credentials for registries.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, Request, Response};
use hyper::body::Incoming as HttpBody;
use moat_model::resource::Secret;
use prost::Message;

use super::files::Files;
use super::grpc::{Answer, Code, Incoming, Refusal, answered, streamed};
use super::messages::{CredentialsRequest, Health, SecretRequest, credentials_response, secret_response};

/// A user and a password or token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub user: String,
    pub secret: String,
}

/// What a build provides.
#[derive(Default)]
pub(crate) struct Services {
    pub(super) context: Files,
    pub(super) dockerfile: Files,
    pub(super) secrets: BTreeMap<String, Secret>,
    /// By the host of the registry.
    pub(super) logins: BTreeMap<String, Login>,
}

/// The methods, which the engine must know when the session begins.
pub(super) const METHODS: [&str; 4] = [HEALTH, FILES, SECRET, CREDENTIALS];

const HEALTH: &str = "/grpc.health.v1.Health/Check";
const FILES: &str = "/moby.filesync.v1.FileSync/DiffCopy";
const SECRET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const CREDENTIALS: &str = "/moby.filesync.v1.Auth/Credentials";

/// The names of the two sources of files, which the frontend asks for.
const CONTEXT: &str = "context";
const DOCKERFILE: &str = "dockerfile";

/// The frontend first asks for this file of the context alone. It is never sent: moat has already left out what it lists.
const IGNORE_LIST: &str = ".dockerignore";

impl Services {
    /// Answers one call.
    pub(super) async fn answer(self: Arc<Self>, request: Request<HttpBody>) -> Response<Answer> {
        let (parts, body) = request.into_parts();
        let mut incoming = Incoming::new(body);
        let result = match parts.uri.path() {
            HEALTH => Ok(Health { status: 1 }.encode_to_vec()),
            SECRET => self.secret(incoming.next().await),
            CREDENTIALS => self.credentials(incoming.next().await),
            FILES => {
                let Some(which) = Source::of(&parts.headers) else {
                    return answered(Err(Refusal { code: Code::NotFound, message: "no such folder" }));
                };
                let (outgoing, response) = streamed();
                tokio::spawn(async move { self.files(which).send(incoming, outgoing).await });
                return response;
            }
            _ => Err(Refusal { code: Code::Unimplemented, message: "not supported" }),
        };
        answered(result)
    }

    fn secret(&self, asked: Option<SecretRequest>) -> Result<Vec<u8>, Refusal> {
        let asked = asked.ok_or(UNREADABLE)?;
        let secret = self.secrets.get(&asked.id);
        let secret = secret.ok_or(Refusal { code: Code::NotFound, message: "not a secret of this build" })?;
        Ok(secret_response(secret.expose().as_bytes()))
    }

    /// Without credentials the answer is empty: the pull is then anonymous.
    fn credentials(&self, asked: Option<CredentialsRequest>) -> Result<Vec<u8>, Refusal> {
        let asked = asked.ok_or(UNREADABLE)?;
        let login = self.logins.get(&asked.host);
        Ok(login.map_or_else(Vec::new, |login| credentials_response(&login.user, &login.secret)))
    }

    fn files(&self, which: Source) -> &Files {
        static NONE: Files = Files::none();
        match which {
            Source::Context => &self.context,
            Source::Dockerfile => &self.dockerfile,
            Source::Nothing => &NONE,
        }
    }
}

const UNREADABLE: Refusal = Refusal { code: Code::InvalidArgument, message: "the message cannot be read" };

/// The files of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Context,
    Dockerfile,
    Nothing,
}

impl Source {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let is_list = |value: &http::HeaderValue| value == IGNORE_LIST;
        match headers.get("dir-name")?.to_str().ok()? {
            CONTEXT => {
                let mut paths = headers.get_all("followpaths").iter().peekable();
                let is_list_alone = paths.peek().is_some() && paths.all(is_list);
                Some(if is_list_alone { Self::Nothing } else { Self::Context })
            }
            DOCKERFILE => Some(Self::Dockerfile),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_sources_of_the_build_are_sent() {
        let of = |name: &'static str, paths: &[&'static str]| {
            let mut headers = HeaderMap::new();
            headers.insert("dir-name", HeaderValue::from_static(name));
            for path in paths {
                headers.append("followpaths", HeaderValue::from_static(path));
            }
            Source::of(&headers)
        };
        assert_eq!(of("context", &[]), Some(Source::Context));
        assert_eq!(of("context", &["src", ".dockerignore"]), Some(Source::Context));
        assert_eq!(of("context", &[".dockerignore"]), Some(Source::Nothing));
        assert_eq!(of("dockerfile", &["Dockerfile"]), Some(Source::Dockerfile));
        assert_eq!(of("other", &[]), None);
        assert_eq!(Source::of(&HeaderMap::new()), None);
    }

    #[test]
    fn a_secret_is_given_by_its_id_only() {
        let key = moat_model::resource::SecretKey::new([1; moat_model::resource::secret::SECRET_KEY_LEN]);
        let secret = Secret::new(moat_model::resource::SecretText::new("hunter2"), "a", &key);
        let services = Services { secrets: [("token".to_owned(), secret)].into(), ..Services::default() };
        let ask = |id: &str| services.secret(Some(SecretRequest { id: id.to_owned() }));
        assert_eq!(ask("token"), Ok(b"\x0a\x07hunter2".to_vec()));
        assert_eq!(ask("other").expect_err("unknown").code, Code::NotFound);
    }

    #[test]
    fn credentials_are_given_for_their_host_only() {
        let login = Login { user: "u".to_owned(), secret: "p".to_owned() };
        let services = Services { logins: [("box:5000".to_owned(), login)].into(), ..Services::default() };
        let ask = |host: &str| services.credentials(Some(CredentialsRequest { host: host.to_owned() }));
        assert_eq!(ask("box:5000"), Ok(b"\x0a\x01u\x12\x01p".to_vec()));
        assert_eq!(ask("elsewhere.org"), Ok(Vec::new()));
    }
}

//! The user's registry credentials, as stored by `docker login`.
//!
//! Without credentials, or if they cannot be read, a pull is anonymous: most images need none. If the registry then
//! refuses, the error says why no credentials were sent. Credentials never appear in logs or errors.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::buildkit::session::Login;
use crate::transport::environment::Environment;
use moat_model::engine::{Detail, EngineError};
use moat_model::resource::ImageRef;

/// The default registry.
const DOCKER_HUB: &str = "docker.io";

/// Docker Hub's key in docker's configuration, the URL of its first API.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The host that serves Docker Hub's images.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// A helper may query a key ring, which may prompt the user.
const HELPER_TIMEOUT: Duration = Duration::from_secs(10);

/// The registry of an image.
pub(crate) fn registry_of(reference: &ImageRef) -> &str {
    match reference.as_str().split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => DOCKER_HUB,
    }
}

/// The header with the credentials for an image's registry; `None` without credentials.
pub(crate) async fn header(reference: &ImageRef, config_dir: Option<&Path>) -> Option<String> {
    let (key, credential) = of_registry(registry_of(reference), config_dir?).await?;
    Some(URL_SAFE.encode(json_of(&credential, &key).to_string()))
}

/// The header with the credentials for the registries of all `images` of a build; `None` without credentials.
pub(crate) async fn headers(images: &[ImageRef], config_dir: Option<&Path>) -> Option<String> {
    let registries: BTreeSet<&str> = images.iter().map(registry_of).collect();
    let mut all = serde_json::Map::new();
    for registry in registries {
        if let Some((key, credential)) = of_registry(registry, config_dir?).await {
            all.insert(key.clone(), json_of(&credential, &key));
        }
    }
    if all.is_empty() { None } else { Some(URL_SAFE.encode(Value::from(all).to_string())) }
}

/// The credentials for the registries of all `images` of a build, by the hosts that BuildKit asks for.
pub(crate) async fn logins(images: &[ImageRef], config_dir: Option<&Path>) -> BTreeMap<String, Login> {
    let registries: BTreeSet<&str> = images.iter().map(registry_of).collect();
    let mut all = BTreeMap::new();
    for registry in registries {
        let Some(config_dir) = config_dir else { break };
        let login = match of_registry(registry, config_dir).await {
            Some((_, DockerCredential::UsernamePassword(user, secret))) => Login { user, secret },
            // Without a user, BuildKit takes the secret for a token.
            Some((_, DockerCredential::IdentityToken(secret))) => Login { user: String::new(), secret },
            None => continue,
        };
        let host = if registry == DOCKER_HUB { DOCKER_HUB_HOST } else { registry };
        all.insert(host.to_owned(), login);
    }
    all
}

/// The credentials for a registry, and its key in the configuration.
async fn of_registry(registry: &str, config_dir: &Path) -> Option<(String, DockerCredential)> {
    let file = config_dir.join("config.json");
    let key = if registry == DOCKER_HUB { DOCKER_HUB_KEY } else { registry }.to_owned();
    let (answer, answered) = oneshot::channel();
    // A separate thread, not one of the runtime's: a helper that hangs must not keep the process from exiting.
    thread::spawn({
        let key = key.clone();
        move || answer.send(ask(file, &key))
    });
    match timeout(HELPER_TIMEOUT, answered).await {
        Ok(Ok(Some(credential))) => Some((key, credential)),
        Ok(_) => None,
        Err(_) => {
            tracing::warn!(
                "docker's credential helper for `{registry}` does not respond; continuing without credentials"
            );
            None
        }
    }
}

fn ask(file: PathBuf, key: &str) -> Option<DockerCredential> {
    let reader = BufReader::new(File::open(file).ok()?);
    match get_credential_from_reader(reader, key) {
        Ok(credential) => Some(credential),
        Err(CredentialRetrievalError::NoCredentialConfigured) => None,
        // Helpers report "not found" as a failure, each with its own message. Their output may contain secrets.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            tracing::debug!("`{helper}` has no credentials for `{key}`");
            None
        }
        Err(_) => {
            tracing::warn!("cannot read docker's credentials for `{key}`; continuing without credentials");
            None
        }
    }
}

/// Why docker's configuration cannot be used, without its contents; `None` if it is usable or missing.
pub(crate) fn problem(config_dir: &Path, around: &impl Environment) -> Option<String> {
    let file = config_dir.join("config.json");
    let shown = file.display();
    let text = match around.read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(format!("cannot read `{shown}`: {}", error.kind())),
    };
    let config: Value = match serde_json::from_str(&text) {
        Ok(config) => config,
        Err(error) => {
            return Some(format!("`{shown}` is not JSON (line {}, column {})", error.line(), error.column()));
        }
    };
    let Value::Object(config) = &config else { return Some(format!("`{shown}` is not a JSON object")) };
    let is_wrong = |key: &&str| config.get(*key).is_some_and(|value| !value.is_object() && !value.is_null());
    if let Some(key) = ["auths", "credHelpers"].iter().find(|key| is_wrong(key)) {
        return Some(format!("`{key}` in `{shown}` is not a JSON object"));
    }
    let helpers = config.get("credHelpers").and_then(Value::as_object).into_iter().flat_map(|it| it.values());
    let named = config.get("credsStore").into_iter().chain(helpers).filter_map(Value::as_str);
    let missing = named.filter(|name| !name.is_empty()).map(|name| format!("docker-credential-{name}"));
    let missing = missing.into_iter().find(|program| !is_installed(program, around))?;
    Some(format!("`{missing}`, named in `{shown}`, is not installed"))
}

fn is_installed(program: &str, around: &impl Environment) -> bool {
    let path = around.variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| around.exists(&folder.join(program)))
}

/// Adds to the error of a pull why no credentials were sent.
pub(crate) fn explained(error: EngineError, problem: Option<String>) -> EngineError {
    let has_another_reason = matches!(error.detail, Some(Detail::DiskFull | Detail::RegistryUnreachable));
    match problem {
        Some(problem) if !has_another_reason => {
            error.hint(format!("no credentials were sent, as {problem}: fix that first (`moat doctor` checks it)"))
        }
        _ => error,
    }
}

/// The format of the engine's `X-Registry-Auth` header.
fn json_of(credential: &DockerCredential, key: &str) -> Value {
    match credential {
        DockerCredential::IdentityToken(token) => json!({ "identitytoken": token, "serveraddress": key }),
        DockerCredential::UsernamePassword(user, password) => {
            json!({ "username": user, "password": password, "serveraddress": key })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_registry_is_distinguished_from_a_namespace() {
        let table = [
            ("docker:dind", "docker.io"),
            ("moby/buildkit:latest", "docker.io"),
            ("example.org/a/b", "example.org"),
            ("localhost/a", "localhost"),
            ("box:5000/a", "box:5000"),
        ];
        for (reference, registry) in table {
            assert_eq!(registry_of(&ImageRef::parse(reference).expect("valid")), registry);
        }
    }

    #[test]
    fn a_broken_configuration_is_reported() {
        use crate::transport::environment::FakeEnv;
        let found = |text: Option<&str>| {
            let mut around = FakeEnv::default();
            around.variables.insert("PATH".to_owned(), "/bin:/usr/bin".to_owned());
            around.files.insert("/usr/bin/docker-credential-pass".into(), String::new());
            around.files.extend(text.map(|text| ("/c/config.json".into(), text.to_owned())));
            problem(Path::new("/c"), &around)
        };
        for good in [None, Some("{}"), Some(r#"{"auths":{"a":{}}}"#), Some(r#"{"credsStore":"pass","auths":null}"#)] {
            assert_eq!(found(good), None, "{good:?}");
        }
        for (bad, expected) in [
            ("{\"auths\": {},\n}", "`/c/config.json` is not JSON (line 2, column 1)"),
            ("", "`/c/config.json` is not JSON (line 1, column 0)"),
            ("[]", "`/c/config.json` is not a JSON object"),
            (r#"{"auths":["a"]}"#, "`auths` in `/c/config.json` is not a JSON object"),
            (r#"{"credsStore":"desktop"}"#, "`docker-credential-desktop`, named in `/c/config.json`, is not installed"),
            (
                r#"{"credHelpers":{"a.test":"pass","b.test":"gone"}}"#,
                "`docker-credential-gone`, named in `/c/config.json`, is not installed",
            ),
        ] {
            assert_eq!(found(Some(bad)).as_deref(), Some(expected), "{bad}");
        }
    }

    #[tokio::test]
    async fn credentials_are_used_for_their_registry_only() {
        let dir = tempfile::tempdir().expect("a directory");
        // user:pass?
        let config = r#"{"auths":{"box:5000":{"auth":"dXNlcjpwYXNzPw=="},"https://index.docker.io/v1/":{"auth":"aHViOmh1Yg=="}}}"#;
        fs::write(dir.path().join("config.json"), config).expect("written");
        let asked = async |reference: &str, dir: &Path| {
            let reference = ImageRef::parse(reference).expect("valid");
            let header = header(&reference, Some(dir)).await?;
            let json = URL_SAFE.decode(header).expect("base64");
            Some(serde_json::from_slice::<serde_json::Value>(&json).expect("JSON"))
        };
        let of_box = asked("box:5000/a", dir.path()).await;
        assert_eq!(of_box, Some(json!({"username": "user", "password": "pass?", "serveraddress": "box:5000"})));
        let of_hub = asked("busybox", dir.path()).await.expect("credentials");
        assert_eq!(of_hub["username"], "hub");
        assert_eq!(asked("example.org/a/b", dir.path()).await, None);
        assert_eq!(asked("busybox", Path::new("/nonexistent")).await, None);
        let images = ["box:5000/a", "busybox", "example.org/a/b"].map(|it| ImageRef::parse(it).expect("valid"));
        let logins = logins(&images, Some(dir.path())).await;
        let shown: Vec<_> =
            logins.iter().map(|(host, it)| (host.as_str(), it.user.as_str(), it.secret.as_str())).collect();
        assert_eq!(shown, [("box:5000", "user", "pass?"), ("registry-1.docker.io", "hub", "hub")]);
    }
}

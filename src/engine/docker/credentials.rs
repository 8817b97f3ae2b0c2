//! The user's credentials for a registry, as `docker login` left them.
//!
//! Without any, or if they cannot be had, a pull is anonymous: most images need none, and if one does, the
//! registry says so. Nothing here is ever logged or put into an error.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::resource::ImageRef;

/// The registry of names that name none.
const DOCKER_HUB: &str = "docker.io";

/// Docker Hub's name in docker's configuration, from the time of its first interface.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// A helper asks a key ring, which may ask a person, who may not be there.
const HELPER_TIMEOUT: Duration = Duration::from_secs(10);

/// The registry that an image is in.
pub(super) fn registry_of(reference: &ImageRef) -> &str {
    match reference.as_str().split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => DOCKER_HUB,
    }
}

/// The header that carries the credentials for an image's registry; `None`: there are none.
pub(super) async fn header(reference: &ImageRef, config_dir: Option<&Path>) -> Option<String> {
    let (key, credential) = of_registry(registry_of(reference), config_dir?).await?;
    Some(URL_SAFE.encode(json_of(&credential, &key).to_string()))
}

/// The header that carries the credentials for all registries that a build takes images from; `None`: there are none.
pub(super) async fn headers(images: &[ImageRef], config_dir: Option<&Path>) -> Option<String> {
    let registries: BTreeSet<&str> = images.iter().map(registry_of).collect();
    let mut all = serde_json::Map::new();
    for registry in registries {
        if let Some((key, credential)) = of_registry(registry, config_dir?).await {
            all.insert(key.clone(), json_of(&credential, &key));
        }
    }
    if all.is_empty() { None } else { Some(URL_SAFE.encode(Value::from(all).to_string())) }
}

/// The credentials for a registry, and what it is called there.
async fn of_registry(registry: &str, config_dir: &Path) -> Option<(String, DockerCredential)> {
    let file = config_dir.join("config.json");
    let key = if registry == DOCKER_HUB { DOCKER_HUB_KEY } else { registry }.to_owned();
    let (answer, answered) = oneshot::channel();
    // A thread of its own, and not the runtime's: a helper that hangs must not keep the process from ending.
    thread::spawn({
        let key = key.clone();
        move || answer.send(ask(file, &key))
    });
    match timeout(HELPER_TIMEOUT, answered).await {
        Ok(Ok(Some(credential))) => Some((key, credential)),
        Ok(_) => None,
        Err(_) => {
            tracing::warn!("docker's credential helper for `{registry}` does not answer; going on without credentials");
            None
        }
    }
}

fn ask(file: PathBuf, key: &str) -> Option<DockerCredential> {
    let reader = BufReader::new(File::open(file).ok()?);
    match get_credential_from_reader(reader, key) {
        Ok(credential) => Some(credential),
        Err(CredentialRetrievalError::NoCredentialConfigured) => None,
        // Helpers say "not found" in words of their own and as a failure. Their output may hold anything.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            tracing::debug!("`{helper}` has no credentials for `{key}`");
            None
        }
        Err(_) => {
            tracing::warn!("docker's credentials for `{key}` cannot be read; going on without");
            None
        }
    }
}

/// The form is that of the engine's `X-Registry-Auth`.
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
    fn a_registry_is_told_from_a_folder() {
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

    #[tokio::test]
    async fn what_docker_login_wrote_is_used_for_its_registry_only() {
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
    }
}

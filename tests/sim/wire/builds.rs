//! Builds: the request, including the credentials for the registries of a Dockerfile.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use moat_docker::{Docker, Environment};
use moat_model::engine::ImageBuild;
use moat_model::resource::{BuildContext, BuildNetwork, ImageRef};
use serde_json::{Value, json};
use testkit::changes::Changes;

use super::fake::{Fake, Reply};

/// A home directory with docker's configuration.
struct Home<'a>(&'a Path);

impl Environment for Home<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "DOCKER_CONFIG").then(|| self.0.to_string_lossy().into_owned())
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}

fn build(dockerfile: &str, context: Option<BuildContext>) -> ImageBuild {
    let reference = ImageRef::parse("moat/a:1").expect("valid");
    ImageBuild {
        reference,
        dockerfile: dockerfile.to_owned(),
        context,
        labels: BTreeMap::new(),
        network: BuildNetwork::Default,
        platform: None,
    }
}

fn fake() -> Fake {
    Fake::start(|request| request.line.contains("/build?").then(|| Reply::Bytes(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())))
}

#[tokio::test]
async fn a_build_without_a_network_is_asked_for_as_such() {
    let fake = Fake::start(|request| {
        request.line.contains("/build?").then(|| Reply::Json(200, json!({"stream": "done"}).to_string()))
    });
    let docker = fake.connect().await;
    for (network, is_none) in [(BuildNetwork::Default, false), (BuildNetwork::None, true)] {
        let build = ImageBuild { network, ..build("FROM busybox\n", None) };
        docker.build(&build, &|_| ()).await.expect("built");
        let asked = fake.last().line;
        assert_eq!(asked.contains("networkmode=none"), is_none, "{asked}");
        assert_eq!(asked.contains("networkmode"), is_none, "{asked}");
    }
}

#[tokio::test]
async fn a_build_for_a_platform_is_asked_for_as_such() {
    let fake = fake();
    let platform = "linux/arm/v7".parse().expect("a platform");
    let build = ImageBuild { platform: Some(platform), ..build("FROM busybox\n", None) };
    fake.connect().await.build(&build, &|_| ()).await.expect("built");
    let asked = fake.last().line;
    assert!(asked.contains("&platform=linux%2Farm%2Fv7"), "{asked}");
}

#[tokio::test]
async fn private_bases_are_fetched_with_the_users_credentials_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let auths = json!({
        "box:5000": {"auth": URL_SAFE.encode("user:pass")},
        "https://index.docker.io/v1/": {"auth": URL_SAFE.encode("hub:hub")},
        "elsewhere.org": {"auth": URL_SAFE.encode("not:asked")},
    });
    fs::write(dir.path().join("config.json"), json!({ "auths": auths }).to_string()).expect("a file");
    let fake = fake();
    let docker = Docker::connect_to(fake.located(), &Home(dir.path())).await.expect("connected");
    let dockerfile = "ARG TAG=1\nFROM box:5000/a:$TAG AS x\nFROM debian\nCOPY --from=x /a /a\n";
    docker.build(&build(dockerfile, None), &|_| ()).await.expect("built");
    let header = fake.last().header("x-registry-config").expect("credentials").to_owned();
    let sent: Value = serde_json::from_slice(&URL_SAFE.decode(header).expect("base64")).expect("JSON");
    assert_eq!(
        sent,
        json!({
            "box:5000": {"username": "user", "password": "pass", "serveraddress": "box:5000"},
            "https://index.docker.io/v1/":
                {"username": "hub", "password": "hub", "serveraddress": "https://index.docker.io/v1/"},
        })
    );
    docker.build(&build("FROM other.org/a\n", None), &|_| ()).await.expect("built");
    assert_eq!(fake.last().header("x-registry-config"), None);
}

#[tokio::test]
async fn a_context_is_sent_as_it_was_looked_at_or_not_at_all() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("file"), "1").expect("a file");
    fs::write(dir.path().join("Dockerfile"), "FROM a\n").expect("a file");
    let context = BuildContext {
        without: None,
        folder: dir.path().to_owned(),
        dockerfile: "Dockerfile".to_owned(),
        target: Some("a b".to_owned()),
        args: [("A".to_owned(), "b&c".to_owned())].into(),
        digest: moat_build_context::read(dir.path(), "Dockerfile", None).expect("readable").digest,
    };
    let (fake, build) = (fake(), build("FROM a\n", Some(context)));
    let docker = fake.connect().await;
    docker.build(&build, &|_| ()).await.expect("built");
    let query = "dockerfile=Dockerfile&buildargs=%7B%22A%22%3A%22b%26c%22%7D&target=a%20b";
    assert!(fake.last().line.ends_with(query), "{}", fake.last().line);
    assert!(fake.last().body.windows(10).any(|bytes| bytes == b"Dockerfile"));

    fs::write(dir.path().join("file"), "2").expect("a file");
    let asked = fake.seen().len();
    let refused = docker.build(&build, &|_| ()).await.expect_err("it is another one");
    assert!(refused.message.contains("the context has changed since it was read"), "{refused:?}");
    assert_eq!(fake.seen().len(), asked, "nothing was sent");
}

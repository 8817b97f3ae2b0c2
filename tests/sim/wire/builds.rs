//! Builds: the request, including the credentials for the registries of a Dockerfile.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use moat_docker::{Docker, Environment};
use moat_model::engine::ImageBuild;
use moat_model::resource::secret::SECRET_KEY_LEN;
use moat_model::resource::{BuildContext, BuildNetwork, ImageRef, Secret, SecretKey, SecretText, label};
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
        context: context.map(Box::new),
        labels: BTreeMap::new(),
        network: BuildNetwork::Default,
        platform: None,
    }
}

const BUILT: &str = "HTTP/1.1 200 OK\r\n\r\n";

fn fake() -> Fake {
    Fake::start(|request| request.line.contains("/build?").then(|| Reply::Bytes(BUILT.into())))
}

/// An engine with BuildKit. It does not use the session.
fn buildkit() -> Fake {
    Fake::start(|request| {
        let pong = "HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nBuilder-Version: 2\r\nContent-Length: 2\r\n\r\nOK";
        match request.line.as_str() {
            "GET /_ping" => Some(Reply::Bytes(pong.into())),
            line if line.contains("/session") => Some(Reply::Hijack(Vec::new())),
            line => line.contains("/build?").then(|| Reply::Bytes(BUILT.into())),
        }
    })
}

/// A context with a Dockerfile and a secret.
fn context(folder: &Path, dockerfile: &str) -> BuildContext {
    fs::write(folder.join("Dockerfile"), dockerfile).expect("a file");
    let secret = Secret::new(SecretText::new("hunter2"), "a", &SecretKey::new([1; SECRET_KEY_LEN]));
    BuildContext {
        without: None,
        folder: folder.to_owned(),
        dockerfile: "Dockerfile".to_owned(),
        target: None,
        args: BTreeMap::new(),
        secrets: [("token".to_owned(), secret)].into(),
        digest: moat_build_context::read(folder, "Dockerfile", None).expect("readable").digest,
    }
}

/// The requests so far, with their bodies.
fn all_sent(fake: &Fake) -> String {
    let all = fake
        .seen()
        .into_iter()
        .map(|it| format!("{} {:?} {:?}", it.line, it.headers, String::from_utf8_lossy(&it.body)));
    all.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_build_without_a_network_is_requested() {
    for fake in [fake(), buildkit()] {
        let docker = fake.connect().await;
        for (network, is_none) in [(BuildNetwork::Default, false), (BuildNetwork::None, true)] {
            let build = ImageBuild { network, ..build("FROM busybox\n", None) };
            docker.build(&build, &|_| ()).await.expect("built");
            let asked = fake.last().line;
            assert_eq!(asked.contains("networkmode=none"), is_none, "{asked}");
            assert_eq!(asked.contains("networkmode"), is_none, "{asked}");
        }
    }
}

#[tokio::test]
async fn a_build_for_a_platform_is_requested() {
    let platform = "linux/arm/v7".parse().expect("a platform");
    let build = ImageBuild { platform: Some(platform), ..build("FROM busybox\n", None) };
    for fake in [fake(), buildkit()] {
        fake.connect().await.build(&build, &|_| ()).await.expect("built");
        let asked = fake.last().line;
        assert!(asked.contains("&platform=linux%2Farm%2Fv7"), "{asked}");
    }
}

#[tokio::test]
async fn only_the_engines_frontend_builds_without_a_network() {
    let fake = buildkit();
    let docker = fake.connect().await;
    let dockerfile = "# syntax=evil.org/frontend\nFROM busybox\n";
    for (network, is_kept) in [(BuildNetwork::Default, true), (BuildNetwork::None, false)] {
        docker.build(&ImageBuild { network, ..build(dockerfile, None) }, &|_| ()).await.expect("built");
        let body = String::from_utf8_lossy(&fake.last().body).into_owned();
        assert!(body.contains("FROM busybox") && body.contains("evil.org") == is_kept, "{body}");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let args = [("BUILDKIT_SYNTAX".to_owned(), "evil.org/frontend".to_owned())].into();
    let context = BuildContext { args, ..context(dir.path(), "FROM a\n") };
    let closed = ImageBuild { network: BuildNetwork::None, ..build("FROM a\n", Some(context)) };
    let asked = fake.seen().len();
    let refused = docker.build(&closed, &|_| ()).await.expect_err("it would have a network");
    assert!(refused.message.contains("`BUILDKIT_SYNTAX` runs a program"), "{refused:?}");
    assert_eq!(fake.seen().len(), asked, "nothing was sent");
}

#[tokio::test]
async fn contexts_and_secrets_are_sent_over_the_session_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let dockerfile = "FROM a\nRUN --mount=type=secret,id=token b\n";
    let (fake, context) = (buildkit(), context(dir.path(), dockerfile));
    let docker = fake.connect().await;
    let labels = [(label::IMAGE.to_owned(), "builder".to_owned())].into();
    docker.build(&ImageBuild { labels, ..build(dockerfile, Some(context)) }, &|_| ()).await.expect("built");
    let (session, built) = (fake.seen().into_iter().find(|it| it.line.contains("/session")), fake.last());
    let session = session.expect("a session");
    let id = session.header("x-docker-expose-session-uuid").expect("an id");
    assert!(id.len() == 32 && built.line.contains(&format!("&session={id}&remote=client-session")), "{}", built.line);
    assert!(built.line.contains("&version=2&") && built.body.is_empty(), "{}", built.line);
    // A cache mount of another agent is another one.
    assert!(built.line.contains("BUILDKIT_CACHE_MOUNT_NS%22%3A%22moat-builder%22"), "{}", built.line);
    assert!(!all_sent(&fake).contains("hunter2"), "{}", all_sent(&fake));
}

#[tokio::test]
async fn an_engine_without_buildkit_is_reported_with_the_missing_feature() {
    let dir = tempfile::tempdir().expect("a folder");
    let (fake, steps) = (fake(), std::cell::RefCell::new(Vec::new()));
    let docker = fake.connect().await;
    let step = |text: &str| steps.borrow_mut().push(text.to_owned());
    docker.build(&build("FROM a\n", None), &step).await.expect("built");
    assert_eq!(steps.take(), ["the classic builder is used: the engine does not offer BuildKit"]);
    let asked = fake.seen().len();
    for (dockerfile, what) in [
        (
            "FROM a\nRUN <<EOF\nb\nEOF\n",
            "`Dockerfile`, line 2: `RUN <<EOF` needs BuildKit, and the engine does not offer",
        ),
        ("FROM a\n", "`build.secrets` needs BuildKit, and the engine does not offer BuildKit"),
    ] {
        let build = build(dockerfile, Some(context(dir.path(), dockerfile)));
        let refused = docker.build(&build, &step).await.expect_err("it needs BuildKit");
        assert!(refused.message.contains(what), "{refused:?}");
        assert!(refused.hint.expect("a remedy").contains("Docker 23"), "{what}");
    }
    assert_eq!(fake.seen().len(), asked, "nothing was sent");
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

    // BuildKit asks for them over a session, which is opened only if there are any.
    let fake = buildkit();
    let docker = Docker::connect_to(fake.located(), &Home(dir.path())).await.expect("connected");
    docker.build(&build("FROM other.org/a\n", None), &|_| ()).await.expect("built");
    assert!(!all_sent(&fake).contains("session"), "{}", all_sent(&fake));
    docker.build(&build(dockerfile, None), &|_| ()).await.expect("built");
    assert!(fake.last().line.contains("&session="), "{}", fake.last().line);
    let all = all_sent(&fake);
    assert!(!all.contains("x-registry-config") && !all.contains(&URL_SAFE.encode("user:pass")), "{all}");
}

#[tokio::test]
async fn a_context_that_changed_since_it_was_read_is_not_sent() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("file"), "1").expect("a file");
    fs::write(dir.path().join("Dockerfile"), "FROM a\n").expect("a file");
    let context = BuildContext {
        without: None,
        folder: dir.path().to_owned(),
        dockerfile: "Dockerfile".to_owned(),
        target: Some("a b".to_owned()),
        args: [("A".to_owned(), "b&c".to_owned())].into(),
        secrets: BTreeMap::new(),
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

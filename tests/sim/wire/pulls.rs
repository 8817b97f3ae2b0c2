//! Pulls: the request, and the engine's progress messages.

use std::cell::RefCell;

use moat_docker::Docker;
use moat_model::engine::{Change, Detail, Engine, EngineError, Fault, PullProgress};
use moat_model::resource::{ImageDigest, ImageId, ImageRef, Platform};
use moat_model::state::ImageFacts;
use testkit::changes::Changes;

use super::fake::{Fake, Reply};

/// An engine that answers a pull with these messages.
fn answering_pull(head: &'static str, account: &'static str) -> Fake {
    Fake::start(move |request| {
        request
            .line
            .contains("/images/create")
            .then(|| Reply::Bytes(format!("HTTP/1.1 {head}\r\n\r\n{account}").into_bytes()))
    })
}

async fn pull(docker: &Docker, reference: &str) -> (Result<(), EngineError>, Option<PullProgress>) {
    let last = RefCell::new(None);
    let reference = ImageRef::parse(reference).expect("valid");
    let result = docker.pull(&reference, &|progress| *last.borrow_mut() = Some(progress)).await;
    (result, last.into_inner())
}

#[tokio::test]
async fn a_tag_or_digest_is_always_named() {
    let fake = answering_pull("200 OK", "");
    let docker = fake.connect().await;
    for (reference, query) in [
        ("docker:dind", "fromImage=docker&tag=dind"),
        ("docker", "fromImage=docker&tag=latest"),
        ("box:5000/a/b", "fromImage=box%3A5000%2Fa%2Fb&tag=latest"),
        ("a@sha256:12", "fromImage=a&tag=sha256%3A12"),
    ] {
        pull(&docker, reference).await.0.expect("pulled");
        assert_eq!(fake.last().line, format!("POST /v1.45/images/create?{query}"));
    }
}

#[tokio::test]
async fn a_platform_is_asked_for_and_reported() {
    let fake = Fake::start(|request| {
        if request.line.contains("/images/create") {
            return Some(Reply::Bytes(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()));
        }
        let found = r#"{"Id":"sha256:5","Os":"linux","Architecture":"arm64","Variant":"v8"}"#;
        request.line.contains("/images/").then(|| Reply::Json(200, found.to_owned()))
    });
    let docker = fake.connect().await;
    let reference = ImageRef::parse("busybox").expect("valid");
    let platform = "linux/arm64".parse::<Platform>().expect("a platform");
    let change = Change::Pull { reference: reference.clone(), platform: Some(platform.clone()) };
    docker.change(&change, &|_| ()).await.expect("pulled");
    let query = "fromImage=busybox&tag=latest&platform=linux%2Farm64";
    assert_eq!(fake.last().line, format!("POST /v1.45/images/create?{query}"));
    let facts = docker.image(&reference).await.expect("facts").expect("an image");
    assert_eq!(facts.platform, Some(platform));
}

#[tokio::test]
async fn a_registry_is_asked_through_the_engine() {
    let fake = Fake::start(|request| {
        let line = &request.line;
        let found = r#"{"Descriptor":{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:12","size":9},"Platforms":[]}"#;
        if line.contains("/distribution/box:5000/a/b:1/json") {
            Some(Reply::Json(200, found.to_owned()))
        } else if line.contains("/distribution/") {
            Some(Reply::Json(404, r#"{"message":"manifest unknown: manifest unknown"}"#.to_owned()))
        } else if line.contains("/images/") {
            let digests = r#"["box:5000/a/b@sha256:12","a@sha256:34"]"#;
            Some(Reply::Json(200, format!(r#"{{"Id":"sha256:5","RepoDigests":{digests}}}"#)))
        } else {
            None
        }
    });
    let docker = fake.connect().await;
    let reference = ImageRef::parse("box:5000/a/b:1").expect("valid");
    assert_eq!(docker.registry_digest(&reference).await, Ok(ImageDigest::new("sha256:12")));
    assert_eq!(fake.last().line, "GET /v1.45/distribution/box:5000/a/b:1/json");
    let digests = ["sha256:12", "sha256:34"].map(ImageDigest::new).into();
    let facts = ImageFacts { id: ImageId::new("sha256:5"), digests, platform: None };
    assert_eq!(docker.image(&reference).await, Ok(Some(facts)));

    let error = docker.registry_digest(&ImageRef::parse("busybox:nope").expect("valid")).await.expect_err("unknown");
    assert_eq!((error.fault, error.detail), (Fault::Pull, Some(Detail::ImageNotFound)), "{error}");
}

#[tokio::test]
async fn progress_is_reported_until_the_end() {
    let fake = answering_pull(
        "200 OK",
        concat!(
            "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":3,\"total\":10},\"id\":\"a\"}\r\n",
            "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":7,\"total\":10},\"id\":\"a\"}\r\n",
            "{\"status\":\"Status: Downloaded newer image for docker:dind\"}",
        ),
    );
    let (result, last) = pull(&fake.connect().await, "docker:dind").await;
    assert_eq!((result, last), (Ok(()), Some(PullProgress { current: 7, total: 10, layers_done: 0, layers: 1 })));
}

#[tokio::test]
async fn a_pull_with_an_error_in_its_stream_fails() {
    let account = "{\"status\":\"Pulling\"}\r\n{\"errorDetail\":{\"message\":\"manifest unknown\"},\"error\":\"manifest unknown\"}\r\n";
    let fake = answering_pull("200 OK", account);
    let (result, _) = pull(&fake.connect().await, "busybox:nope").await;
    let message = "cannot pull `busybox:nope`: `docker.io` has no such image or tag (manifest unknown)";
    assert_eq!(
        result,
        Err(EngineError::new(Fault::Pull, message).because(Detail::ImageNotFound).hint("check its name"))
    );

    let fake = answering_pull("404 Not Found\r\nContent-Length: 40", "{\"message\":\"pull access denied for nope\"}");
    let (result, _) = pull(&fake.connect().await, "nope").await;
    assert_eq!(result.map_err(|error| error.fault), Err(Fault::Pull));

    let account = "{\"error\":\"unauthorized: authentication required\"}\r\n";
    let (result, _) = pull(&answering_pull("200 OK", account).connect().await, "box:5000/private").await;
    assert_eq!(result.map_err(|error| error.detail), Err(Some(Detail::PullDenied)));
}

#[tokio::test]
async fn a_pull_whose_stream_ends_early_fails() {
    let fake = answering_pull("200 OK\r\nContent-Length: 999", "{\"status\":\"Downloading\"}\r\n");
    let (result, _) = pull(&fake.connect().await, "docker:dind").await;
    assert_eq!(result.map_err(|error| error.fault), Err(Fault::Unreachable));

    let fake = Fake::start(|request| {
        request.line.contains("/images/create").then(|| Reply::Stall(b"HTTP/1.1 200 OK\r\n\r\n{}\r\n".to_vec()))
    });
    let docker = fake.connect().await;
    tokio::time::pause();
    let (result, _) = pull(&docker, "docker:dind").await;
    assert_eq!(result.map_err(|error| error.fault), Err(Fault::TimedOut));
}

//! Images and pulls.

use moat_model::engine::{Engine, Fault};
use moat_model::resource::ImageRef;
use testkit::changes::Changes;

use super::lab::{busybox, docker, variable};

#[tokio::test]
async fn a_pulled_image_is_found() {
    let docker = docker().await;
    docker.pull(&busybox(), &|_| {}).await.expect("the lab has it");
    docker.pull(&busybox(), &|_| {}).await.expect("it is here already");
    let tagged = docker.image(&busybox()).await.expect("an answer").expect("it is here");
    let untagged = ImageRef::parse("busybox").expect("valid");
    assert_eq!(docker.image(&untagged).await, Ok(Some(tagged)), "no tag means latest");
    let absent = ImageRef::parse("moat-test/nothing:1").expect("valid");
    assert_eq!(docker.image(&absent).await, Ok(None));
}

#[tokio::test]
async fn a_failed_pull_has_a_reason_and_a_hint() {
    let docker = docker().await;
    let registry = variable("MOAT_LAB_REGISTRY").expect("the lab has a registry");
    let table = [
        (format!("{registry}/library/busybox:none"), "has no such image or tag"),
        (format!("{registry}/moat-test/nothing:1"), "has no such image or tag"),
        ("127.0.0.1:1/a:1".to_owned(), "cannot reach the registry `127.0.0.1:1`"),
        ("nowhere.invalid/a:1".to_owned(), "cannot reach the registry `nowhere.invalid`"),
    ];
    for (reference, why) in table {
        let parsed = ImageRef::parse(&reference).expect("valid");
        let error = docker.pull(&parsed, &|_| {}).await.expect_err(&reference);
        assert_eq!(error.fault, Fault::Pull, "{error}");
        assert!(error.message.starts_with(&format!("cannot pull `{reference}`: ")), "{error}");
        assert!(error.message.contains(why), "{error}");
    }
}

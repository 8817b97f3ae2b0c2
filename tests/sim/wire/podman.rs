//! Podman's API: where its answers differ from Docker's, and what is sent instead.

use moat_docker::Docker;
use moat_model::engine::{ContainerUpdate, Detail, Engine, Fault, Filter};
use moat_model::resource::{ContainerId, Cpus, ImageRef, Limits, NetworkId, RestartPolicy, Size};
use serde_json::json;
use testkit::changes::Changes;

use super::calls::create;
use super::fake::{Fake, Reply, Request};

const PING: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nLibpod-Api-Version: 5.4.2\r\nContent-Length: 2\r\n\r\nOK";

async fn podman(answer: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> (Fake, Docker) {
    let fake = Fake::start(move |request| match request.line.as_str() {
        "GET /_ping" => Some(Reply::Bytes(PING.as_bytes().to_vec())),
        _ => answer(request),
    });
    let docker = fake.connect().await;
    (fake, docker)
}

/// A list as Podman answers it: without `HostConfig`, and the health in no field.
fn list(network_id: &str) -> String {
    let labels = r#"{"moat.run":"a-1","moat.resource":"container/main","moat.hash":"v1:x"}"#;
    format!(
        r#"[{{"Id":"c1","Names":["/moat-a-1"],"ImageID":"sha256:i","State":"running","Status":"Up 4 seconds","Created":1,
            "Labels":{labels},"NetworkSettings":{{"Networks":{{"moat-a-1":{{"NetworkID":"{network_id}"}}}}}}}}]"#
    )
}

async fn home(network_id: String) -> (Option<NetworkId>, Vec<String>) {
    let networks = format!(r#"[{{"Id":"{}","Name":"other"}},{{"Id":"{}","Name":"moat-a-1"}}]"#, id('b'), id('a'));
    let (fake, docker) = podman(move |request| {
        let line = &request.line;
        let body = if line.contains("/containers/json") {
            list(&network_id)
        } else if line.ends_with("/networks") {
            networks.clone()
        } else {
            "[]".to_owned()
        };
        Some(Reply::Json(200, body))
    })
    .await;
    let found = docker.containers(&Filter::Ours).await.expect("a list");
    let lines = fake.seen().into_iter().map(|request| request.line).filter(|line| line.contains("/networks")).collect();
    assert_eq!(found[0].networks[0].id, found[0].home);
    (found[0].home.clone(), lines)
}

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

#[tokio::test]
async fn the_home_network_of_a_container_is_its_only_network() {
    assert_eq!(home(id('a')).await, (Some(NetworkId::new(id('a'))), Vec::new()));
    // Podman 4 has the name in place of the id.
    let asked = vec!["GET /v1.41/networks".to_owned()];
    assert_eq!(home("moat-a-1".to_owned()).await, (Some(NetworkId::new(id('a'))), asked.clone()));
    assert_eq!(home("gone".to_owned()).await, (Some(NetworkId::new("gone")), asked), "the id of no network");
}

#[tokio::test]
async fn an_update_has_a_quota_and_no_fraction_of_cpus() {
    let limits = Limits { memory: Some(Size(1 << 30)), cpus: Some(Cpus(1_250_000_000)), pids: Some(100) };
    let update = ContainerUpdate { limits, restart: Some(RestartPolicy::UnlessStopped) };
    let (fake, docker) = podman(|_| Some(Reply::Json(200, r#"{"Warnings":null}"#.to_owned()))).await;
    docker.update(&ContainerId::new("c1"), &update).await.expect("an update");
    let policy = json!({"Name": "unless-stopped"});
    let expected = json!({
        "Memory": 1 << 30, "MemorySwap": 2_i64 << 30, "PidsLimit": 100, "RestartPolicy": policy,
        "CpuQuota": 125_000, "CpuPeriod": 100_000,
    });
    assert_eq!(fake.last().json(), expected);

    let fake = Fake::start(|request| (request.line != "GET /_ping").then(|| Reply::Json(200, "{}".to_owned())));
    fake.connect().await.update(&ContainerId::new("c1"), &update).await.expect("an update");
    let sent = fake.last().json();
    assert_eq!((&sent["NanoCpus"], sent.get("CpuQuota")), (&json!(1_250_000_000), None), "Docker refuses both");
}

#[tokio::test]
async fn a_registry_is_not_asked_without_a_pull() {
    let (_fake, docker) = podman(|request| {
        // Podman has two answers, and the second one is not JSON.
        let body = if request.line.contains("busybox") {
            r#"{"cause":"","message":"Path /v1.41/distribution/busybox/json is not supported","response":0}"#
        } else {
            "Not Found\n"
        };
        Some(Reply::Json(404, body.to_owned()))
    })
    .await;
    for reference in ["busybox", "moby/buildkit:v0.32.2"] {
        let error = docker.registry_digest(&ImageRef::parse(reference).expect("valid")).await.expect_err(reference);
        assert_eq!((error.fault, error.detail), (Fault::Refused, Some(Detail::NoRegistryQuery)), "{error}");
    }
}

#[tokio::test]
async fn limits_without_a_controller_are_not_set_by_default() {
    let (fake, docker) = podman(|request| {
        let line = &request.line;
        let body = if line.ends_with("/libpod/info") {
            r#"{"host":{"cgroupControllers":["memory"],"logDriver":"k8s-file"}}"#
        } else if line.ends_with("/info") {
            r#"{"MemTotal":8589934592,"MemoryLimit":true,"PidsLimit":true,"OSType":"linux","LoggingDriver":""}"#
        } else if line.contains("/containers/create") {
            r#"{"Id":"c9"}"#
        } else {
            return None;
        };
        Some(Reply::Json(200, body.to_owned()))
    })
    .await;
    docker.create_container(&create()).await.expect("created");
    let sent = fake.last().json();
    let host = &sent["HostConfig"];
    assert_eq!((&host["Memory"], &host["PidsLimit"]), (&json!(6_442_450_944_i64), &json!(0)), "{host}");
    let info = docker.info().await.expect("an answer");
    assert_eq!((info.pids_limit, info.logging_driver.as_str()), (false, "k8s-file"));
}

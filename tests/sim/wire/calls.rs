//! The calls of the trait: their exact requests, and the interpretation of refusals and unusual answers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use moat_docker::{Docker, Endpoint, Located, Origin, ProcessEnv};
use moat_model::engine::{
    ContainerCreate, Engine, EngineError, Fault, Filter, NetworkCreate, VolumeCreate, VolumeMount,
};
use moat_model::resource::{
    ContainerConfig, ContainerId, FileConfig, HealthConfig, ImageRef, NetworkAttachment, NetworkId, Protection,
    ResourceId, RestartPolicy, RunId,
};
use moat_model::state::{ContainerState, Health};
use serde_json::json;
use testkit::changes::Changes;
use tokio::net::TcpListener;
use tokio::time::{Duration, sleep};

use super::fake::{Fake, Reply, serve};

fn answering(status: u16, body: &'static str) -> Fake {
    Fake::start(move |request| (request.line != "GET /_ping").then(|| Reply::Json(status, body.to_owned())))
}

fn container() -> ContainerId {
    ContainerId::new("c1")
}

/// A container with all settings.
pub fn create() -> ContainerCreate {
    ContainerCreate {
        name: "moat-buildkit-a-1".to_owned(),
        labels: BTreeMap::from([("moat.run".to_owned(), "a-1".to_owned())]),
        config: ContainerConfig {
            command: vec!["--addr".to_owned(), "tcp://0.0.0.0:1234".to_owned()],
            env: BTreeMap::from([("A".to_owned(), "b c".to_owned())]),
            hostname: Some("buildkit".to_owned()),
            privileged: true,
            init: true,
            restart: RestartPolicy::UnlessStopped,
            stop_timeout: Some(60),
            health: Some(HealthConfig::new(vec!["buildctl".to_owned()])),
            ..ContainerConfig::new(
                ImageRef::parse("moby/buildkit:v0.32.2").expect("valid"),
                NetworkAttachment { network: ResourceId::network("agent"), aliases: vec!["buildkit".to_owned()] },
            )
        },
        network: NetworkId::new("n1"),
        mounts: vec![VolumeMount {
            volume: "moat-a-1-cache".to_owned(),
            target: "/var/lib/buildkit".to_owned(),
            read_only: false,
            labels: BTreeMap::new(),
        }],
        ports: Vec::new(),
        address: None,
        resolver: None,
    }
}

#[tokio::test]
async fn a_container_is_created_from_the_image_of_its_platform() {
    let fake = answering(201, r#"{"Id":"c9"}"#);
    let mut create = create();
    create.config.platform = Some("linux/arm64".parse().expect("a platform"));
    fake.connect().await.create_container(&create).await.expect("created");
    assert_eq!(fake.last().line, "POST /v1.45/containers/create?name=moat-buildkit-a-1&platform=linux%2Farm64");
}

#[tokio::test]
async fn a_container_is_created_with_everything_in_one_call() {
    let fake = answering(201, r#"{"Id":"c9","Warnings":["a word"]}"#);
    let made = fake.connect().await.create_container(&create()).await.expect("created");
    assert_eq!(made, ContainerId::new("c9"));
    let request = fake.last();
    assert_eq!(request.line, "POST /v1.45/containers/create?name=moat-buildkit-a-1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    let expected = json!({
        "Image": "moby/buildkit:v0.32.2",
        "Cmd": ["--addr", "tcp://0.0.0.0:1234"],
        "Env": ["A=b c"],
        "Hostname": "buildkit",
        "Labels": {"moat.run": "a-1"},
        "StopTimeout": 60,
        "Healthcheck": {
            "Test": ["CMD", "buildctl"], "Interval": 30_000_000_000_i64, "StartInterval": 250_000_000_i64,
            "StartPeriod": 60_000_000_000_i64, "Timeout": 10_000_000_000_i64, "Retries": 3,
        },
        "HostConfig": {
            "NetworkMode": "n1", "Privileged": true, "Init": true, "PidsLimit": 0, "RestartPolicy": {"Name": "unless-stopped"},
            "Mounts": [{"Type": "volume", "Source": "moat-a-1-cache", "Target": "/var/lib/buildkit"}],
        },
        "NetworkingConfig": {"EndpointsConfig": {"n1": {"Aliases": ["buildkit"]}}},
    });
    assert_eq!(request.json(), expected);
}

// Whatever a plan says: root of the host without masked system paths has the host.
#[tokio::test]
async fn only_a_mapped_root_may_see_all_system_paths() {
    for (user, options, is_created) in [
        (None, "[]", false),
        (Some("0:5"), r#"["name=seccomp,profile=userns"]"#, false),
        (Some("someone"), "null", false),
        (None, r#"["name=seccomp,profile=builtin","name=userns"]"#, true),
        (None, r#"["name=rootless"]"#, true),
        (Some("1000"), "[]", true),
    ] {
        let info = format!(r#"{{"SecurityOptions":{options}}}"#);
        let fake = Fake::start(move |request| match request.line.as_str() {
            line if line.ends_with("/info") => Some(Reply::Json(200, info.clone())),
            line if line.contains("/containers/create") => Some(Reply::Json(201, r#"{"Id":"c9"}"#.to_owned())),
            _ => None,
        });
        let mut create = create();
        create.config.privileged = false;
        create.config.user = user.map(str::to_owned);
        create.config.rights.without = [Protection::SystemPaths].into();
        let made = fake.connect().await.create_container(&create).await;
        assert_eq!(made.is_ok(), is_created, "{user:?} {options}: {made:?}");
        let sent = fake.seen().iter().any(|request| request.line.contains("/containers/create"));
        assert_eq!(sent, is_created, "{user:?} {options}");
    }
}

#[tokio::test]
async fn limits_depend_on_the_engine_which_is_asked_once() {
    let info =
        r#"{"MemTotal":8589934592,"MemoryLimit":true,"PidsLimit":false,"OSType":"linux","LoggingDriver":"local"}"#;
    let fake = Fake::start(move |request| match request.line.as_str() {
        line if line.ends_with("/info") => Some(Reply::Json(200, info.to_owned())),
        line if line.contains("/containers/create") => Some(Reply::Json(201, r#"{"Id":"c9"}"#.to_owned())),
        _ => None,
    });
    let docker = fake.connect().await;
    for _ in 0..2 {
        docker.create_container(&create()).await.expect("created");
        let sent = fake.last().json();
        let host = &sent["HostConfig"];
        assert_eq!((&host["Memory"], &host["PidsLimit"]), (&json!(6_442_450_944_i64), &json!(0)), "{host}");
        assert_eq!(host["LogConfig"], json!({"Type": "local", "Config": {"max-file": "3", "max-size": "10m"}}));
        let noted = sent["Labels"]["moat.defaults"].as_str().expect("a label");
        assert!(noted.contains(r#""memory":"6g""#) && noted.contains(r#""unsupported":["pids"]"#), "{noted}");
    }
    assert_eq!(fake.seen().iter().filter(|request| request.line.ends_with("/info")).count(), 1);
}

#[tokio::test]
async fn networks_and_volumes_are_requested_in_the_engines_terms() {
    let fake = Fake::start(|request| match request.line.as_str() {
        line if line.ends_with("/networks/create") => Some(Reply::Json(201, r#"{"Id":"n9","Warning":""}"#.to_owned())),
        line if line.ends_with("/volumes/create") => {
            Some(Reply::Json(201, r#"{"Name":"v","Labels":{"a":"b","more":"x"},"Scope":"galactic"}"#.to_owned()))
        }
        line if line.contains("/connect") => Some(Reply::Json(200, String::new())),
        _ => None,
    });
    let docker = fake.connect().await;
    let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let network = NetworkCreate {
        name: "moat-a-1".to_owned(),
        labels: labels.clone(),
        internal: true,
        subnet: "10.9.0.0/28".parse().ok(),
        gateway: false,
    };
    assert_eq!(docker.create_network(&network).await, Ok(NetworkId::new("n9")));
    let expected = json!({
        "Name": "moat-a-1", "Driver": "bridge", "Internal": true, "Labels": {"a": "b"},
        "IPAM": {"Config": [{"Subnet": "10.9.0.0/28"}]},
    });
    assert_eq!((fake.last().line.as_str(), fake.last().json()), ("POST /v1.45/networks/create", expected));

    docker.connect(&NetworkId::new("n9"), &container(), &["x".to_owned()]).await.expect("connected");
    let expected = json!({"Container": "c1", "EndpointConfig": {"Aliases": ["x"]}});
    assert_eq!((fake.last().line.as_str(), fake.last().json()), ("POST /v1.45/networks/n9/connect", expected));

    let volume = VolumeCreate { name: "v".to_owned(), labels: labels.clone() };
    docker.create_volume(&volume).await.expect("a scope of a later engine does no harm");
    assert_eq!(fake.last().json(), json!({"Name": "v", "Labels": {"a": "b"}}));

    let other = BTreeMap::from([("a".to_owned(), "c".to_owned())]);
    let taken =
        docker.create_volume(&VolumeCreate { name: "v".to_owned(), labels: other }).await.expect_err("not ours");
    assert_eq!(taken.fault, Fault::Conflict);
}

#[tokio::test]
async fn calls_without_a_body_have_the_right_path() {
    let fake = answering(204, "");
    let docker = fake.connect().await;
    let (id, network) = (container(), NetworkId::new("n1"));
    docker.start(&id).await.expect("started");
    docker.stop(&id, None).await.expect("stopped");
    docker.stop(&id, Some(3)).await.expect("stopped");
    docker.restart(&id).await.expect("restarted");
    docker.unpause(&id).await.expect("unpaused");
    docker.rename(&id, "new").await.expect("renamed");
    docker.remove_container(&id).await.expect("removed");
    docker.remove_network(&network).await.expect("removed");
    docker.remove_volume("v_1.x").await.expect("removed");
    let files = [FileConfig { path: "/etc/x".to_owned(), mode: 0o600, content: "hello".to_owned() }];
    docker.upload(&id, &files).await.expect("uploaded");
    let lines: Vec<_> = fake.seen().into_iter().skip(1).map(|request| request.line).collect();
    assert_eq!(
        lines,
        [
            "POST /v1.45/containers/c1/start",
            // Without a timeout, the container's own applies.
            "POST /v1.45/containers/c1/stop",
            "POST /v1.45/containers/c1/stop?t=3",
            "POST /v1.45/containers/c1/restart",
            "POST /v1.45/containers/c1/unpause",
            "POST /v1.45/containers/c1/rename?name=new",
            "DELETE /v1.45/containers/c1?v=true&force=true&link=false",
            "DELETE /v1.45/networks/n1",
            "DELETE /v1.45/volumes/v_1.x",
            "PUT /v1.45/containers/c1/archive?path=%2F&noOverwriteDirNonDir=true",
        ]
    );
    let request = fake.last();
    assert_eq!(request.header("content-type"), Some("application/x-tar"));
    let mut archive = tar::Archive::new(request.body.as_slice());
    let paths: Vec<_> = archive
        .entries()
        .expect("a tar")
        .map(|entry| entry.expect("an entry").path().expect("a path").into_owned())
        .collect();
    assert_eq!(paths, [std::path::Path::new("etc/x")]);

    let asked = fake.seen().len();
    for name in ["../x", "a/b", "", "a?b", "-a"] {
        let refused = docker.remove_volume(name).await.expect_err(name);
        assert_eq!(refused.fault, Fault::Refused, "{name}");
    }
    assert_eq!(fake.seen().len(), asked, "nothing that could be another path was sent");
}

/// One call against an engine that answers it with `status` and `message`.
async fn outcome<T, F>(status: u16, message: &str, call: impl Fn(Docker) -> F) -> Result<T, EngineError>
where
    F: Future<Output = Result<T, EngineError>>,
{
    let body = json!({ "message": message }).to_string();
    let fake = Fake::start(move |request| (request.line != "GET /_ping").then(|| Reply::Json(status, body.clone())));
    call(fake.connect().await).await
}

#[tokio::test]
async fn a_change_that_is_done_already_succeeds() {
    let id = container();
    let start = async |docker: Docker| docker.start(&id).await;
    outcome(304, "", start).await.expect("it runs already");
    let stop = async |docker: Docker| docker.stop(&id, None).await;
    outcome(304, "", stop).await.expect("it is stopped already");
    let remove = async |docker: Docker| docker.remove_container(&id).await;
    outcome(404, "No such container: c1", remove).await.expect("it is gone already");
    outcome(409, "removal of container c1 is already in progress", remove)
        .await
        .expect("the removal goes on elsewhere");
    let network = NetworkId::new("n1");
    let connect = async |docker: Docker| docker.connect(&network, &id, &[]).await;
    outcome(403, "endpoint with name c already exists in network n", connect).await.expect("it is connected already");
}

#[tokio::test]
async fn a_refusal_is_an_error_with_the_engines_message() {
    let fault = |result: Result<(), EngineError>| result.map_err(|error| (error.fault, error.message));
    let network = NetworkId::new("n1");
    let remove = async |docker: Docker| docker.remove_network(&network).await;
    let message = "error while removing network: network n id n1 has active endpoints";
    assert_eq!(fault(outcome(403, message, remove).await), Err((Fault::InUse, message.to_owned())));
    let create = create();
    let create = async |docker: Docker| docker.create_container(&create).await.map(drop);
    let taken = fault(outcome(409, "Conflict. The name is taken.", create).await);
    assert_eq!(taken, Err((Fault::Conflict, "conflict. The name is taken".to_owned())));
    let subnet =
        NetworkCreate { name: "n".to_owned(), labels: BTreeMap::new(), internal: false, subnet: None, gateway: false };
    let subnet = async |docker: Docker| docker.create_network(&subnet).await.map(drop);
    let overlap = fault(outcome(403, "Pool overlaps with other one on this address space", subnet).await);
    assert_eq!(overlap.map_err(|(fault, _)| fault), Err(Fault::Subnet));
}

#[tokio::test]
async fn one_odd_container_does_not_lose_the_list() {
    let fake = answering(
        200,
        r#"[{"Id":"b","Names":["/b"],"State":"hibernating","Status":"Hibernating","Created":5,"Labels":{}},
            {"Id":"c","Names":["/c"],"State":"running","Status":"Up 2 seconds (healthy)","Created":4},
            {"Id":"a","Names":["/a"],"State":"exited","Status":"Exited (137) 2 minutes ago","Created":5,"Mounts":[{"Type":"wormhole"}]}]"#,
    );
    let docker = fake.connect().await;
    let list = docker.containers(&Filter::Run(RunId::from_label("a-1"))).await.expect("a list");
    assert_eq!(
        fake.last().line,
        "GET /v1.45/containers/json?all=1&filters=%7B%22label%22%3A%5B%22moat.run%3Da-1%22%5D%7D"
    );
    let found: Vec<_> = list.iter().map(|it| (it.name.as_str(), it.state, it.health, it.exit_code)).collect();
    assert_eq!(
        found,
        [
            ("c", ContainerState::Running, Health::Healthy, None),
            ("a", ContainerState::Exited, Health::None, Some(137)),
            ("b", ContainerState::Unknown, Health::None, None),
        ]
    );
}

#[tokio::test]
async fn a_hanging_engine_times_out() {
    let silent = Fake::start(|request| (request.line != "GET /_ping").then(|| Reply::Stall(Vec::new())));
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n[".to_vec();
    let stalled = Fake::start(move |request| (request.line != "GET /_ping").then(|| Reply::Stall(cut.clone())));
    for fake in [silent, stalled] {
        let docker = fake.connect().await;
        tokio::time::pause();
        let error = docker.networks(&Filter::Ours).await.expect_err("no answer");
        assert_eq!(
            error,
            EngineError::new(Fault::TimedOut, "the engine did not respond to `list networks` within 10 s")
        );
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_lost_connection_is_unreachable_and_an_invalid_answer_an_engine_fault() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n[".to_vec();
    let table = [
        (Reply::Bytes as fn(Vec<u8>) -> Reply, Vec::new(), Fault::Unreachable),
        (Reply::Bytes, half, Fault::Unreachable),
        (Reply::Bytes, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec(), Fault::Engine),
    ];
    for (reply, bytes, fault) in table {
        let sent = bytes.clone();
        let fake = Fake::start(move |request| (request.line != "GET /_ping").then(|| reply(sent.clone())));
        let error = fake.connect().await.containers(&Filter::Ours).await.expect_err("no list");
        assert_eq!(error.fault, fault, "{:?}: {error}", String::from_utf8_lossy(&bytes));
    }
}

#[tokio::test]
async fn a_missing_image_is_no_error() {
    let reference = ImageRef::parse("moby/buildkit:v1").expect("valid");
    let fake = answering(404, r#"{"message":"No such image: moby/buildkit:v1"}"#);
    assert_eq!(fake.connect().await.image(&reference).await, Ok(None));
    assert_eq!(fake.last().line, "GET /v1.45/images/moby/buildkit:v1/json");
    let fake = answering(500, r#"{"message":"broken"}"#);
    assert_eq!(fake.connect().await.image(&reference).await.map_err(|error| error.fault), Err(Fault::Engine));
}

#[tokio::test]
async fn a_network_engine_gets_eight_calls_at_once() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (counted, peak) = (Arc::clone(&now), Arc::clone(&most));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (counted, peak) = (Arc::clone(&counted), Arc::clone(&peak));
            let answer = move |request: &super::fake::Request| {
                if request.line == "GET /_ping" {
                    return None;
                }
                peak.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                Some(Reply::Stall(Vec::new()))
            };
            tokio::spawn(serve(stream, Arc::default(), Arc::new(answer)));
        }
    });
    let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port, tls: None };
    let docker = Docker::connect_to(Located { endpoint, origin: Origin::Flag }, &ProcessEnv).await.expect("it answers");
    tokio::time::pause();
    let calls = join_all((0..20).map(|_| docker.volumes(&Filter::Ours)));
    // A paused clock only advances when nothing else can run: by then all requests have arrived.
    tokio::select! {
        _ = calls => panic!("nothing answers"),
        () = sleep(Duration::from_secs(5)) => {}
    }
    assert_eq!((most.load(Ordering::SeqCst), now.load(Ordering::SeqCst)), (8, 8));
}

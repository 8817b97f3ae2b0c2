//! The lifecycle of networks, volumes and containers.

use std::collections::BTreeMap;

use moat_docker::ApiVersion;
use moat_model::engine::{Engine, Fault, VolumeCreate, VolumeMount};
use moat_model::resource::{ContainerId, FileConfig, HealthConfig, RestartPolicy};
use moat_model::state::{ContainerState, Health};
use testkit::changes::Changes;

use super::lab::{Lab, busybox, docker};

fn text(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
async fn the_api_version_is_negotiated() {
    let version = docker().await.api_version();
    assert!(
        version >= ApiVersion { major: 1, minor: 41 } && version <= ApiVersion { major: 1, minor: 51 },
        "{version}"
    );
}

#[tokio::test]
async fn the_lifecycle_of_a_container() {
    let lab = Lab::new("life").await;
    let docker = &lab.docker;
    let volume = VolumeCreate { name: lab.name("data"), labels: lab.labels("volume/data") };
    docker.create_volume(&volume).await.expect("created");
    let mut create = lab.script("main", "echo begin; echo oops >&2; trap '' TERM; while :; do sleep 1; done");
    create.config.env = BTreeMap::from([("GREETING".to_owned(), "hello = world".to_owned())]);
    create.config.hostname = Some("box".to_owned());
    create.config.network.aliases = text(&["alias-of-main"]);
    create.config.restart = RestartPolicy::UnlessStopped;
    create.config.privileged = true;
    create.mounts = vec![VolumeMount {
        volume: volume.name.clone(),
        target: "/data".to_owned(),
        read_only: false,
        labels: BTreeMap::new(),
    }];

    let id = docker.create_container(&create).await.expect("created");
    let facts = lab.facts("main").await;
    assert_eq!((facts.state, facts.exit_code, facts.health), (ContainerState::Created, None, Health::None));
    assert_eq!(facts.id, id);
    assert_eq!(facts.volumes, std::slice::from_ref(&volume.name));
    assert_eq!(facts.owner.map(|owner| owner.resource.to_string()).as_deref(), Some("container/main"));
    assert_eq!(Some(facts.image), docker.image(&busybox()).await.expect("an answer").map(|image| image.id));
    let network_of = |facts: &[moat_model::state::Endpoint]| facts.iter().map(|end| end.id.clone()).collect::<Vec<_>>();
    assert_eq!(network_of(&facts.networks), [Some(lab.network.clone())], "known before the first start");
    let taken = docker.create_container(&create).await.expect_err("the name is taken");
    assert_eq!(taken.fault, Fault::Conflict, "{taken}");

    docker.start(&id).await.expect("started");
    docker.start(&id).await.expect("it runs already");
    docker.unpause(&id).await.expect("it is not paused");
    let facts = lab.facts("main").await;
    assert_eq!((facts.state, facts.exit_code), (ContainerState::Running, None));
    assert_eq!(network_of(&facts.networks), [Some(lab.network.clone())]);

    // A start returns before the container's program runs.
    lab.wait_for_log(&id, "begin").await;
    let said = docker
        .exec(&id, &text(&["sh", "-c", "echo $GREETING; hostname; cat /proc/1/comm; mount | grep -c ' /data '"]))
        .await;
    let said = said.expect("it ran");
    let lines: Vec<_> = said.output.lines().collect();
    assert_eq!((said.exit_code, lines[0], lines[1], lines[3]), (0, "hello = world", "box", "1"));
    assert!(lines[2].contains("init"), "process 1 is an init: {lines:?}");
    let found = docker.exec(&id, &text(&["ping", "-c1", "-W2", "alias-of-main"])).await.expect("it ran");
    assert_eq!(found.exit_code, 0, "{}", found.output);

    docker.connect(&lab.network, &id, &[]).await.expect("it is connected already");
    for (what, error) in
        [("network", docker.remove_network(&lab.network).await), ("volume", docker.remove_volume(&volume.name).await)]
    {
        assert_eq!(error.map_err(|error| error.fault), Err(Fault::InUse), "{what}");
    }
    lab.wait_for_log(&id, "oops").await;
    assert_eq!(docker.log_tail(&id, 10).await.map(|log| log.len()), Ok(2));
    assert_eq!(docker.log_tail(&id, 1).await.expect("a log").len(), 1);

    docker.stop(&id, None).await.expect("killed after its own grace of a second");
    docker.stop(&id, None).await.expect("it is stopped already");
    let facts = lab.facts("main").await;
    assert_eq!((facts.state, facts.exit_code), (ContainerState::Exited, Some(137)));
    let seen = docker.inspect(&id).await.expect("an inspection");
    assert_eq!((seen.state, seen.exit_code, seen.oom_killed, seen.restarts), (ContainerState::Exited, 137, false, 0));
    docker.restart(&id).await.expect("started again");
    assert_eq!(docker.inspect(&id).await.map(|seen| seen.state), Ok(ContainerState::Running));

    docker.rename(&id, &lab.name("other")).await.expect("renamed");
    assert_eq!(lab.facts("other").await.id, id);
    docker.remove_container(&id).await.expect("killed and removed");
    docker.remove_container(&id).await.expect("it is gone already");
    assert_eq!(docker.inspect(&id).await.map_err(|error| error.fault), Err(Fault::NotFound));
    assert_eq!(docker.start(&id).await.map_err(|error| error.fault), Err(Fault::NotFound));
    docker.remove_volume(&volume.name).await.expect("removed");
    docker.remove_volume(&volume.name).await.expect("it is gone already");
    docker.remove_network(&lab.network).await.expect("removed");
    docker.remove_network(&lab.network).await.expect("it is gone already");
    assert_eq!(docker.containers(&lab.filter()).await, Ok(Vec::new()));
}

#[tokio::test]
async fn networks_are_listed_and_cannot_overlap() {
    let lab = Lab::new("net").await;
    let list = lab.docker.networks(&lab.filter()).await.expect("a list");
    assert_eq!((list.len(), &list[0].id, &list[0].name), (1, &lab.network, &lab.name("net")));
    assert_eq!(list[0].owner.as_ref().map(|owner| owner.resource.to_string()).as_deref(), Some("network/agent"));
    let subnet = list[0].subnets.first().copied().expect("a subnet");

    let overlap = lab.network_named("overlap", Some(subnet));
    let error = lab.docker.create_network(&overlap).await.expect_err("the range is taken");
    assert_eq!(error.fault, Fault::Subnet, "{error}");
    let twin = lab.network_named("net", "10.97.255.240/28".parse().ok());
    let error = lab.docker.create_network(&twin).await.expect_err("the name is taken");
    assert_eq!(error.fault, Fault::Conflict, "{error}");
}

#[tokio::test]
async fn a_foreign_volume_is_not_used() {
    let lab = Lab::new("vol").await;
    let ours = VolumeCreate { name: lab.name("v"), labels: lab.labels("volume/v") };
    lab.docker.create_volume(&ours).await.expect("created");
    lab.docker.create_volume(&ours).await.expect("it is there already");
    let other = VolumeCreate { labels: lab.labels("volume/w"), ..ours.clone() };
    assert_eq!(lab.docker.create_volume(&other).await.map_err(|error| error.fault), Err(Fault::Conflict));
    let list = lab.docker.volumes(&lab.filter()).await.expect("a list");
    assert_eq!((list.len(), &list[0].name), (1, &ours.name));
    assert_eq!(list[0].owner.as_ref().map(|owner| owner.resource.to_string()).as_deref(), Some("volume/v"));
}

#[tokio::test]
async fn files_are_uploaded_before_the_start_without_changing_directories() {
    let lab = Lab::new("files").await;
    let id =
        lab.docker.create_container(&lab.script("main", "sh /opt/new/dir/run; sleep 1000")).await.expect("created");
    let file =
        |path: &str, mode: u32, content: &str| FileConfig { path: path.to_owned(), mode, content: content.to_owned() };
    let files = [
        file("/opt/new/dir/run", 0o750, "echo it runs\n"),
        file("/tmp/deep/x", 0o600, "x"),
        file("/etc/empty", 0o644, ""),
    ];
    lab.docker.upload(&id, &files).await.expect("uploaded");
    lab.docker.upload(&id, &files).await.expect("again");
    lab.docker.start(&id).await.expect("started");
    let paths = ["/opt/new", "/opt/new/dir", "/opt/new/dir/run", "/tmp/deep", "/tmp/deep/x", "/etc/empty"];
    let stat: Vec<_> = ["stat", "-c", "%a %u:%g %n"].into_iter().chain(paths).collect();
    let said = lab.docker.exec(&id, &text(&stat)).await.expect("it ran").output;
    let expected = "755 0:0 /opt/new\n755 0:0 /opt/new/dir\n750 0:0 /opt/new/dir/run\n\
                    755 0:0 /tmp/deep\n600 0:0 /tmp/deep/x\n644 0:0 /etc/empty\n";
    assert_eq!(said, expected);
    lab.wait_for_log(&id, "it runs").await;

    let shared = text(&["mkdir", "-m", "1777", "/shared"]);
    assert_eq!(lab.docker.exec(&id, &shared).await.map(|it| it.exit_code), Ok(0));
    lab.docker.upload(&id, &[file("/shared/deep/x", 0o644, "")]).await.expect("uploaded while it runs");
    let said = lab.docker.exec(&id, &text(&["stat", "-c", "%a", "/shared", "/shared/deep"])).await;
    assert_eq!(said.map(|it| it.output).as_deref(), Ok("1777\n755\n"));

    let over = lab.docker.upload(&id, &[file("/shared", 0o644, "")]).await;
    over.expect_err("a file never takes the place of a directory");
    let nowhere = lab.docker.upload(&ContainerId::new("0123456789ab"), &files).await;
    assert_eq!(nowhere.map_err(|error| error.fault), Err(Fault::NotFound));
}

#[tokio::test]
async fn health_is_reported_soon_after_the_start() {
    let lab = Lab::new("health").await;
    let mut create = lab.script("main", "sleep 1000");
    create.config.health = Some(HealthConfig::new(text(&["test", "-e", "/tmp/well"])));
    let id = lab.docker.create_container(&create).await.expect("created");
    lab.docker.start(&id).await.expect("started");
    assert_eq!(lab.facts("main").await.health, Health::Starting);
    lab.docker.exec(&id, &text(&["touch", "/tmp/well"])).await.expect("it ran");
    lab.wait_for("main", "health within a steady state's interval", |facts| facts.health == Health::Healthy).await;
    assert_eq!(lab.docker.inspect(&id).await.map(|seen| seen.health), Ok(Health::Healthy));
}

#[tokio::test]
async fn a_container_without_its_network_cannot_start() {
    let lab = Lab::new("dead").await;
    let id = lab.docker.create_container(&lab.script("main", "sleep 1000")).await.expect("created");
    lab.docker.remove_network(&lab.network).await.expect("nothing runs on it");
    let error = lab.docker.start(&id).await.expect_err("its network is gone");
    assert_eq!(error.fault, Fault::Engine, "{error}");
    assert!(error.message.contains("network"), "{error}");
}

#[tokio::test]
async fn start_failures_have_a_reason() {
    let lab = Lab::new("bad").await;
    let mut create = lab.script("main", "");
    create.config.command = text(&["/no/such/program"]);
    // An init would start and then fail.
    create.config.init = false;
    let id = lab.docker.create_container(&create).await.expect("created");
    let error = lab.docker.start(&id).await.expect_err("there is no such program");
    assert!(error.message.contains("/no/such/program"), "{error}");
    let seen = lab.docker.inspect(&id).await.expect("an inspection");
    assert!(seen.exit_code == 127 && seen.error.contains("/no/such/program"), "{seen:?}");

    let mut create = lab.script("other", "");
    create.config.image = moat_model::resource::ImageRef::parse("moat-test/nothing:1").expect("valid");
    let error = lab.docker.create_container(&create).await.expect_err("there is no such image");
    assert_eq!(error.fault, Fault::NotFound, "{error}");
}

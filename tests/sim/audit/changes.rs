//! Each kind of change in the log, byte for byte: with the intents of a plan before its first call, and with the intent
//! of each call before that call. Both logs have the same content.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect_file;
use moat::audit::engine::Audited;
use moat::audit::{Entry, Phase, read};
use moat::execute::execute;
use moat_model::engine::{ContainerUpdate, Engine, Filter, ImageBuild};
use moat_model::resource::{
    AgentName, BuildNetwork, Config, ContainerConfig, ContainerId, FileConfig, ImageRef, Limits, NetworkAttachment,
    NetworkConfig, NetworkId, Probe, ResourceId, Retention, Run, Size, VolumeConfig, label,
};
use moat_plan::event::Event;
use moat_plan::operation::Grace;
use moat_plan::{Action, Cause, Handle, OpId, Operation, Plan};
use moat_sim::sim::{Behaviour, Settings, Sim};
use tokio_util::sync::CancellationToken;

use super::log::Place;

/// Whether the log receives a plan before it is executed.
#[derive(Clone, Copy, PartialEq)]
enum Announced {
    Yes,
    No,
}

fn run() -> Run {
    Run::derive(AgentName::parse("builder").expect("a name"), Path::new("/home/me/agent.yaml"))
}

fn image(reference: &str) -> ImageRef {
    ImageRef::parse(reference).expect("a reference")
}

fn labels(resource: &ResourceId, config: &Config) -> BTreeMap<String, String> {
    label::labels(&run(), resource, config)
}

fn sidecar() -> ResourceId {
    ResourceId::container("buildkit")
}

fn network() -> ResourceId {
    ResourceId::network("agent")
}

/// One after the other, so that the log has one order.
fn chain(actions: Vec<(ResourceId, String, Action)>) -> Plan {
    let operation = |(index, (resource, name, action)): (usize, (ResourceId, String, Action))| {
        let after = index.checked_sub(1).map(OpId).into_iter().collect();
        Operation { id: OpId(index), resource, name, action, cause: Cause::Missing, after }
    };
    Plan { operations: actions.into_iter().enumerate().map(operation).collect() }
}

fn named(resource: ResourceId, action: Action) -> (ResourceId, String, Action) {
    let name = run().name_of(&resource);
    (resource, name, action)
}

fn create(resource: &ResourceId, privileged: bool, network_from: usize) -> Action {
    let attachment = NetworkAttachment { network: network(), aliases: vec![resource.name.clone()] };
    let config = ContainerConfig { privileged, ..ContainerConfig::new(image("busybox"), attachment) };
    Action::CreateContainer {
        labels: labels(resource, &Config::Container(Box::new(config.clone()))),
        config: Box::new(config),
        network: Handle::From(OpId(network_from)),
        mounts: Vec::new(),
        ports: Vec::new(),
        address: None,
        resolver: None,
    }
}

fn create_network(resource: &ResourceId) -> Action {
    let labels = labels(resource, &Config::Network(NetworkConfig::default()));
    Action::CreateNetwork { labels, internal: true, subnet: "10.99.0.0/28".parse().ok(), gateway: false }
}

fn create_volume(resource: &ResourceId) -> Action {
    Action::CreateVolume { labels: labels(resource, &Config::Volume(VolumeConfig { retention: Retention::Scratch })) }
}

/// A sandbox with a sidecar is created, and refers to nothing that exists.
fn creation() -> Plan {
    let reference = image("moat/builder:1");
    let build = ImageBuild {
        platform: None,
        reference: reference.clone(),
        dockerfile: "FROM busybox\nRUN secret\n".to_owned(),
        context: None,
        labels: BTreeMap::new(),
        network: BuildNetwork::Default,
    };
    let volume = ResourceId::volume("docker");
    let file = FileConfig { path: "/etc/conf".to_owned(), mode: 0o600, content: "secret".to_owned() };
    let main = Handle::From(OpId(8));
    chain(vec![
        named(
            ResourceId::image(&image("busybox")),
            Action::PullImage { reference: image("busybox"), platform: None, digest: None },
        ),
        named(ResourceId::image(&reference), Action::BuildImage { build }),
        named(network(), create_network(&network())),
        named(volume.clone(), create_volume(&volume)),
        named(sidecar(), create(&sidecar(), true, 2)),
        named(sidecar(), Action::UploadFiles { container: Handle::From(OpId(4)), files: vec![file] }),
        named(sidecar(), Action::StartContainer { container: Handle::From(OpId(4)) }),
        named(
            sidecar(),
            Action::AwaitReady {
                container: Handle::From(OpId(4)),
                probe: Probe::Running { settle: Duration::from_millis(30), check: None },
                image: image("busybox"),
                failures: Vec::new(),
                may_complete: false,
                beside: None,
            },
        ),
        named(ResourceId::main(), create(&ResourceId::main(), false, 2)),
        named(ResourceId::main(), Action::StartContainer { container: main.clone() }),
        named(ResourceId::main(), Action::RenameContainer { container: main, to: "moat-aside".to_owned() }),
    ])
}

/// What exists is changed and removed. One call is refused, and so one is not made.
fn end(main: &ContainerId, builder: &ContainerId, net: &NetworkId) -> Plan {
    let (container, other) = (main.clone(), ResourceId::network("other"));
    let limits = Limits { memory: Some(Size(1 << 30)), ..Limits::default() };
    let update = ContainerUpdate { limits, restart: None };
    let connect = |network| Action::ConnectNetwork {
        network,
        container: Handle::Known(main.clone()),
        aliases: vec!["main".to_owned()],
        address: None,
    };
    let create_other = Action::CreateNetwork {
        labels: labels(&other, &Config::Network(NetworkConfig::default())),
        internal: false,
        subnet: None,
        gateway: false,
    };
    let named_volume = |name: &str, action| (ResourceId::volume(name), name.to_owned(), action);
    chain(vec![
        named(ResourceId::main(), Action::StopContainer { container: container.clone(), grace: Grace::Asked(3) }),
        named(sidecar(), Action::StopContainer { container: builder.clone(), grace: Grace::Own(1) }),
        named(sidecar(), Action::RestartContainer { container: builder.clone() }),
        named(sidecar(), Action::UnpauseContainer { container: builder.clone() }),
        named(ResourceId::main(), Action::UpdateContainer { container: container.clone(), update }),
        (other, "moat-other".to_owned(), create_other),
        named(ResourceId::main(), connect(Handle::From(OpId(5)))),
        named(ResourceId::main(), connect(Handle::Known(net.clone()))),
        named(ResourceId::main(), Action::StartContainer { container: Handle::Known(container.clone()) }),
        named(sidecar(), Action::StartContainer { container: Handle::Known(builder.clone()) }),
        named(
            ResourceId::main(),
            Action::RenameContainer { container: Handle::Known(container.clone()), to: run().name_of(&network()) },
        ),
        named(ResourceId::main(), Action::RemoveContainer { container }),
        named(sidecar(), Action::RemoveContainer { container: builder.clone() }),
        named(network(), Action::RemoveNetwork { network: net.clone() }),
        named(ResourceId::volume("docker"), Action::RemoveVolume),
        named_volume("?", create_volume(&ResourceId::volume("refused"))),
        named_volume("never", Action::RemoveVolume),
    ])
}

/// Plays both plans; returns the folder of the log.
async fn play(announced: Announced) -> Place {
    let place = Place::with_key('1');
    let audit = Arc::new(place.open().expect("a log"));
    let sim = Sim::new(&Settings::default());
    sim.publish(&image("busybox"), Behaviour::default());
    let record = Some((Arc::clone(&audit), "unix:///run/docker.sock".to_owned()));
    let engine = Audited::new(&sim, record, &run(), Some(sidecar()));
    let all = Filter::Run(run().id);
    let step = async |plan: &Plan, failures: usize| {
        if announced == Announced::Yes {
            engine.note(&Event::Planned { run: &run(), round: 1, plan });
        }
        let report = execute(&engine, plan, &|_| (), &CancellationToken::new()).await;
        assert_eq!(report.failures.len(), failures, "{:?}", report.failures);
        engine.containers(&all).await.expect("a list")
    };
    let containers = step(&creation(), 0).await;
    let id = |resource: &ResourceId| {
        let is_it = |owner: &label::Ownership| owner.resource == *resource;
        let found = containers.iter().find(|facts| facts.owner.as_ref().is_some_and(is_it));
        found.expect("a container").id.clone()
    };
    let networks = engine.networks(&all).await.expect("a list");
    step(&end(&id(&ResourceId::main()), &id(&sidecar()), &networks[0].id), 1).await;
    drop(engine);
    audit.close().expect("on disk");
    place
}

/// The bytes of the entries, without the chain that they are in: `example` covers it.
fn bodies(place: &Place) -> String {
    let log = String::from_utf8(place.log()).expect("text");
    let body = |line: &str| line.rsplit_once(",\"prev\":").expect("a chain").0.to_owned() + "\n";
    log.lines().map(body).collect()
}

#[tokio::test(start_paused = true)]
async fn the_intents_of_a_plan_are_logged_together() {
    let place = play(Announced::Yes).await;
    expect_file!["changes/announced.jsonl"].assert_eq(&bodies(&place));
}

#[tokio::test(start_paused = true)]
async fn the_intent_of_each_call_is_logged_before_it() {
    let place = play(Announced::No).await;
    expect_file!["changes/each.jsonl"].assert_eq(&bodies(&place));
}

/// The logged outcome of a change does not depend on when its intent was logged.
#[tokio::test(start_paused = true)]
async fn the_outcomes_of_a_batch_equal_those_of_single_calls() {
    let (together, each) = (play(Announced::Yes).await, play(Announced::No).await);
    let made = |place: &Place| {
        let entries = read::entries(place.path()).expect("entries");
        let outcomes = entries.iter().filter(|entry| entry.body.phase == Phase::Outcome);
        let whole = |outcome: &Entry| {
            let intent = entries.iter().find(|entry| Some(entry.seq) == outcome.body.of).expect("an intent");
            let mut data = intent.body.data.clone();
            data.extend(outcome.body.data.clone());
            let data: BTreeMap<_, _> = data.into_iter().collect();
            (outcome.body.event.clone(), format!("{:?}", outcome.body.result), data)
        };
        outcomes.map(whole).collect::<Vec<_>>()
    };
    let (mut together, each) = (made(&together), made(&each));
    let skipped = together.pop().expect("outcomes");
    assert_eq!((skipped.0.as_str(), skipped.1.as_str()), ("volume_removed", "Some(Skipped)"));
    assert_eq!(together, each);
}

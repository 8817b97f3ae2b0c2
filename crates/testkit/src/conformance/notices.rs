//! E32 to E34: events of an engine, and commands that run beside a container's main program.

use std::cell::RefCell;

use moat_model::engine::{Actor, Engine, EngineEvent, EventAction, Notice};
use moat_model::resource::ContainerId;
use moat_sim::interference::Interference;
use tokio::time::timeout;

use super::world::{
    PATIENCE, Program, World, container_create, created, eventually, network, run_of, started, volume_create, words,
};
use crate::changes::Changes;
use EventAction::{Created, Died, Removed, Started};

/// The events of a listener so far.
#[derive(Default)]
struct ReceivedNotices(RefCell<Vec<Notice>>);

impl ReceivedNotices {
    /// The events of one container, in their order.
    fn of_container(&self, container: &ContainerId) -> Vec<EventAction> {
        let is_it = |subject: &Actor| matches!(subject, Actor::Container { id, .. } if id == container);
        self.events().into_iter().filter(|it| is_it(&it.subject)).map(|it| it.what).collect()
    }

    fn events(&self) -> Vec<EngineEvent> {
        let happened = |notice: &Notice| match notice {
            Notice::Happened(happening) => Some(happening.clone()),
            Notice::Listening => None,
        };
        self.0.borrow().iter().filter_map(happened).collect()
    }

    fn has(&self, wanted: impl Fn(&EngineEvent) -> bool) -> Option<()> {
        self.events().iter().any(wanted).then_some(())
    }
}

/// Runs `work` with a listener.
async fn listening<T>(
    world: &impl World,
    heard: &ReceivedNotices,
    since: Option<i64>,
    work: impl Future<Output = T>,
) -> T {
    let on_notice = |notice| heard.0.borrow_mut().push(notice);
    let work = async {
        eventually("it listens", async || heard.0.borrow().contains(&Notice::Listening).then_some(())).await;
        work.await
    };
    tokio::select! {
        biased;
        done = work => done,
        ended = world.engine().events(since, &on_notice) => panic!("the stream ended: {ended:?}"),
    }
}

pub async fn e32_events_are_reported_in_order(world: &impl World) {
    let engine = world.engine();
    let heard = ReceivedNotices::default();
    let work = async {
        let net = network(world).await;
        let volume = volume_create(world, "data");
        engine.create_volume(&volume).await.expect("a volume");
        let id = started(world, "main", Program::Idle, &net).await;
        engine.stop(&id, None).await.expect("a stop");
        engine.start(&id).await.expect("a start");
        engine.remove_container(&id).await.expect("a removal");
        engine.remove_volume(&volume.name).await.expect("a removal");
        engine.remove_network(&net).await.expect("a removal");
        let gone = |it: &EngineEvent| {
            it.what == EventAction::Removed && matches!(&it.subject, Actor::Network { id, .. } if *id == net)
        };
        eventually("the end is reported", async || heard.has(gone)).await;
        (net, volume.name, id)
    };
    let (net, volume, id) = listening(world, &heard, None, work).await;
    let reported: Vec<_> =
        heard.of_container(&id).into_iter().filter(|it| [Created, Started, Died, Removed].contains(it)).collect();
    assert_eq!(reported, [Created, Started, Died, Started, Died, Removed]);
    let run = run_of(world).id;
    for it in heard.events() {
        match it.subject {
            Actor::Container { id: of, run: reported, .. } if of == id => assert_eq!(reported.as_ref(), Some(&run)),
            _ => {}
        }
    }
    for what in [Created, Removed] {
        let of_volume = |it: &EngineEvent| it.what == what && it.subject == Actor::Volume { name: volume.clone() };
        assert!(heard.has(of_volume).is_some(), "{what:?} of the volume");
        let of_network =
            |it: &EngineEvent| it.what == what && matches!(&it.subject, Actor::Network { id, .. } if *id == net);
        assert!(heard.has(of_network).is_some(), "{what:?} of the network");
    }
}

pub async fn e33_earlier_events_are_reported_again(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let first = ReceivedNotices::default();
    let id = listening(world, &first, None, async {
        let id = created(world, "main", Program::Idle, &net).await;
        eventually("it is reported", async || first.of_container(&id).contains(&EventAction::Created).then_some(()))
            .await;
        id
    });
    let id = id.await;
    let at = first.events().last().expect("an event").at;
    // Without a listener.
    engine.start(&id).await.expect("a start");
    engine.remove_container(&id).await.expect("a removal");
    let second = ReceivedNotices::default();
    let removed = async || second.of_container(&id).contains(&EventAction::Removed).then_some(());
    listening(world, &second, Some(at), eventually("it is reported later", removed)).await;
    assert!(second.of_container(&id).contains(&EventAction::Started));
}

pub async fn e34_commands_are_listed_while_they_run(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let create = container_create(world, "main", Program::Idle, &net);
    let id = engine.create_container(&create).await.expect("a container");
    assert_eq!(engine.commands(&id).await, Ok(Vec::new()), "it has never run");
    engine.start(&id).await.expect("a start");
    engine.exec(&id, &words(&["true"])).await.expect("an answer");
    assert_eq!(engine.commands(&id).await, Ok(Vec::new()), "it has ended");
    let heard = ReceivedNotices::default();
    let work = async {
        world.interfere(&Interference::Attach { container: create.name.clone() });
        let one = async || (engine.commands(&id).await.expect("a list").len() == 1).then_some(());
        eventually("it runs", one).await;
        world.interfere(&Interference::Detach { container: create.name.clone() });
        let none = async || engine.commands(&id).await.expect("a list").is_empty().then_some(());
        eventually("it has ended", none).await;
        eventually("that is reported", async || {
            heard.of_container(&id).contains(&EventAction::CommandEnded).then_some(())
        })
        .await;
    };
    timeout(PATIENCE, listening(world, &heard, None, work)).await.expect("no end");
}

//! The engine's event stream: one JSON document after another, for as long as the connection lasts.
//!
//! Read into small structs of our own. An event of a later engine that cannot be read is passed over: a listener looks
//! for itself from time to time. Labels come with containers only, so that the stream is never filtered by one.

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::BytesMut;
use http::Method;
use http_body_util::BodyExt;
use serde::Deserialize;

use crate::Docker;
use crate::transport::fault::Failure;
use crate::transport::wire::encoded;
use crate::transport::{answer, wire};
use moat_model::engine::notice::{Actor, EngineEvent, EventAction, Notice};
use moat_model::engine::{Call, EngineError};
use moat_model::resource::label;
use moat_model::resource::{ContainerId, NetworkId, RunId};

/// In bytes. An event carries the labels of its container, and ours hold a whole configuration.
const EVENT_MAX: usize = 1024 * 1024;

/// What is asked for, in the engine's words. Its own probes alone would make more events than everything else.
const FILTER: &str = r#"{"type":["container","network","volume"],"event":["create","start","die","oom","pause","unpause","rename","update","health_status","connect","disconnect","destroy","exec_die"]}"#;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(rename = "Type", default)]
    sort: String,
    #[serde(default)]
    action: String,
    actor: RawActor,
    #[serde(rename = "timeNano", default)]
    time_nano: i64,
}

#[derive(Deserialize)]
struct RawActor {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "Attributes", default)]
    attributes: BTreeMap<String, String>,
}

/// Tells what happens, until the connection is lost. `since`: what happened from then on is told too, as far as the
/// engine remembers it (moby: 256 events, none from before its own start). In nanoseconds since 1970.
pub(crate) async fn listen(
    docker: &Docker,
    since: Option<i64>,
    tell: &dyn Fn(Notice),
) -> Result<Infallible, EngineError> {
    match follow(docker, since, tell).await {
        Ok(never) => match never {},
        Err(failure) => Err(failure.into_error(Call::Events)),
    }
}

async fn follow(docker: &Docker, since: Option<i64>, tell: &dyn Fn(Notice)) -> Result<Infallible, Failure> {
    let since = since.map(|at| format!("&since={}.{:09}", at / 1_000_000_000, at % 1_000_000_000)).unwrap_or_default();
    let path = format!("/events?filters={}{since}", encoded(FILTER));
    // The engine answers as soon as it has subscribed (moby `getEvents` flushes first).
    let response = docker
        .call(Call::Events, async {
            let request = wire::plain(Method::GET, &path)?;
            answer::accepted(docker.wire.send(request).await?).await
        })
        .await?;
    tell(Notice::Listening);
    // No slot is held: a listener would keep it for ever.
    let (mut body, mut rest) = (response.into_body(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|error| Failure::Lost(error.to_string()))?.into_data() else { continue };
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            if let Some(happening) = read(&rest.split_to(end + 1)) {
                tell(Notice::Happened(happening));
            }
        }
        if rest.len() > EVENT_MAX {
            return Err(Failure::Unreadable("an event without an end".to_owned()));
        }
    }
    Err(Failure::Lost("the engine ended its event stream".to_owned()))
}

fn read(line: &[u8]) -> Option<EngineEvent> {
    let message: Message = serde_json::from_slice(line).ok()?;
    let RawActor { id, mut attributes } = message.actor;
    let mut take = |key: &str| attributes.remove(key);
    let subject = match message.sort.as_str() {
        "container" => Actor::Container {
            id: ContainerId::new(id),
            name: take("name").unwrap_or_default(),
            run: take(label::RUN).map(|run| RunId::from_label(&run)),
        },
        "network" => Actor::Network {
            id: NetworkId::new(id),
            name: take("name").unwrap_or_default(),
            container: take("container").map(ContainerId::new),
        },
        "volume" => Actor::Volume { name: id },
        _ => return None,
    };
    Some(EngineEvent { at: message.time_nano, subject, what: what(&message.action)? })
}

/// Some words have more behind a colon: `health_status: healthy`, `exec_die: …` on older engines.
fn what(action: &str) -> Option<EventAction> {
    let (word, rest) = action.split_once(':').unwrap_or((action, ""));
    Some(match word {
        "create" => EventAction::Created,
        "start" => EventAction::Started,
        "die" => EventAction::Died,
        "oom" => EventAction::OutOfMemory,
        "pause" => EventAction::Paused,
        "unpause" => EventAction::Unpaused,
        "rename" => EventAction::Renamed,
        "update" => EventAction::Updated,
        "health_status" if rest.trim() == "unhealthy" => EventAction::Unhealthy,
        "connect" => EventAction::Connected,
        "disconnect" => EventAction::Disconnected,
        "destroy" => EventAction::Removed,
        "exec_die" => EventAction::CommandEnded,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_an_engine_writes_them() {
        let died = br#"{"status":"die","id":"c1","Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"exitCode":"137","image":"busybox","moat.run":"a-0123456789","name":"moat-a-0123456789"}},"scope":"local","time":1700000000,"timeNano":1700000000123456789}"#;
        let run = RunId::from_label("a-0123456789");
        let subject =
            Actor::Container { id: ContainerId::new("c1"), name: "moat-a-0123456789".to_owned(), run: Some(run) };
        assert_eq!(read(died), Some(EngineEvent { at: 1_700_000_000_123_456_789, subject, what: EventAction::Died }));

        let gone = br#"{"Type":"network","Action":"disconnect","Actor":{"ID":"n1","Attributes":{"container":"c1","name":"moat-a","type":"bridge"}},"timeNano":5}"#;
        let subject = Actor::Network {
            id: NetworkId::new("n1"),
            name: "moat-a".to_owned(),
            container: Some(ContainerId::new("c1")),
        };
        assert_eq!(read(gone), Some(EngineEvent { at: 5, subject, what: EventAction::Disconnected }));
    }

    #[test]
    fn what_is_healthy_or_unheard_of_is_passed_over() {
        assert_eq!(what("health_status: healthy"), None);
        assert_eq!(what("health_status: unhealthy"), Some(EventAction::Unhealthy));
        assert_eq!(what("exec_die: sh -c true"), Some(EventAction::CommandEnded));
        assert_eq!(what("mount"), None);
        assert_eq!(read(b"not JSON\n"), None);
        assert_eq!(read(br#"{"Type":"plugin","Action":"create","Actor":{"ID":"p"}}"#), None);
    }
}

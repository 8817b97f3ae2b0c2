//! The engine's event stream: JSON documents, one a line, while the connection lasts.
//!
//! Parsed into small structs. An event that cannot be parsed is skipped: a listener also polls. Only events of containers
//! have labels, so that the stream cannot be filtered by label.

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

/// Maximum size of an event in bytes. It includes the labels of its container, and one label has the whole configuration.
const EVENT_MAX: usize = 1024 * 1024;

/// The event filter. Without it, the events of health checks would outnumber all others.
const FILTER: &str = r#"{"type":["container","network","volume"],"event":["create","start","die","oom","pause","unpause","rename","update","health_status","connect","disconnect","destroy","exec_die"]}"#;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(rename = "Type", default)]
    kind: String,
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

/// Reports events until the connection is lost. `since`, in nanoseconds since 1970, also requests past events, as far as
/// the engine keeps them (moby: 256, since its start).
pub(crate) async fn listen(
    docker: &Docker,
    since: Option<i64>,
    notify: &dyn Fn(Notice),
) -> Result<Infallible, EngineError> {
    match follow(docker, since, notify).await {
        Ok(never) => match never {},
        Err(failure) => Err(failure.into_error(Call::Events)),
    }
}

async fn follow(docker: &Docker, since: Option<i64>, notify: &dyn Fn(Notice)) -> Result<Infallible, Failure> {
    let since = since.map(|at| format!("&since={}.{:09}", at / 1_000_000_000, at % 1_000_000_000)).unwrap_or_default();
    let path = format!("/events?filters={}{since}", encoded(FILTER));
    // The engine responds as soon as it has subscribed (moby `getEvents` flushes first).
    let response = docker
        .call(Call::Events, async {
            let request = wire::plain(Method::GET, &path)?;
            answer::accepted(docker.wire.send(request).await?).await
        })
        .await?;
    notify(Notice::Listening);
    // Without a slot: a listener would hold it for ever.
    let (mut body, mut rest) = (response.into_body(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|error| Failure::Lost(error.to_string()))?.into_data() else { continue };
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            if let Some(event) = read(&rest.split_to(end + 1)) {
                notify(Notice::Happened(event));
            }
        }
        if rest.len() > EVENT_MAX {
            return Err(Failure::Unreadable("an event exceeds 1 MiB".to_owned()));
        }
    }
    Err(Failure::Lost("the engine closed its event stream".to_owned()))
}

fn read(line: &[u8]) -> Option<EngineEvent> {
    let message: Message = serde_json::from_slice(line).ok()?;
    let RawActor { id, mut attributes } = message.actor;
    let mut take = |key: &str| attributes.remove(key);
    let subject = match message.kind.as_str() {
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

/// Some actions have details after a colon: `health_status: healthy`, `exec_die: …` on older engines.
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
    fn events_are_parsed() {
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
    fn healthy_and_unknown_events_are_skipped() {
        assert_eq!(what("health_status: healthy"), None);
        assert_eq!(what("health_status: unhealthy"), Some(EventAction::Unhealthy));
        assert_eq!(what("exec_die: sh -c true"), Some(EventAction::CommandEnded));
        assert_eq!(what("mount"), None);
        assert_eq!(read(b"not JSON\n"), None);
        assert_eq!(read(br#"{"Type":"plugin","Action":"create","Actor":{"ID":"p"}}"#), None);
    }
}

//! Events of an engine, one line each.

use jiff::Timestamp;
use serde::Serialize;

use crate::clock::written;
use crate::ui::Colour;
use crate::ui::encode;
use crate::ui::terminal::style::{BAD, CARE, FAINT, GOOD};
use moat_model::engine::notice::{Actor, EngineEvent, EventAction};
use moat_model::resource::{ContainerId, Run};

#[derive(Debug, Serialize)]
struct Document<'a> {
    time: String,
    run: &'a str,
    agent: &'a str,
    event: &'static str,
    kind: &'static str,
    name: &'a str,
    id: Option<&'a str>,
    /// For a network: the connected or disconnected container.
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a str>,
}

/// Returns the line of an event, as JSON or text; ends with a line feed.
pub fn line(run: &Run, engine_event: &EngineEvent, json: bool, colour: Colour) -> String {
    let time = written(Timestamp::from_nanosecond(engine_event.at.into()).unwrap_or_default());
    let (kind, name, id, container) = match &engine_event.subject {
        Actor::Container { id, name, .. } => ("container", name.as_str(), Some(id.as_str()), None),
        Actor::Network { id, name, container } => {
            ("network", name.as_str(), Some(id.as_str()), container.as_ref().map(ContainerId::as_str))
        }
        Actor::Volume { name } => ("volume", name.as_str(), None, None),
    };
    let event = engine_event.what.code();
    if json {
        let (run, agent) = (run.id.as_str(), run.agent.as_str());
        let document = Document { time, run, agent, event, kind, name, id, container };
        return encode::compact(&document);
    }
    let style = match engine_event.what {
        EventAction::Died | EventAction::OutOfMemory | EventAction::Unhealthy => BAD,
        EventAction::Started | EventAction::Created | EventAction::Unpaused | EventAction::Connected => GOOD,
        _ => CARE,
    };
    let padded = format!("{event:13}");
    format!("{}  {}  {kind} {name}\n", colour.paint(FAINT, &time), colour.paint(style, &padded))
}

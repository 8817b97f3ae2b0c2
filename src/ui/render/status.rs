//! The status of a run as text or JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::observe::builds::Builds;
use crate::observe::isolation::{Isolation, Wall};
use crate::ui::Colour;
use crate::ui::encode;
use crate::ui::render::net::{self, denied::Denied};
use crate::ui::terminal::style::{BAD, CARE, FAINT, GOOD, bytes, harmless};
use crate::ui::terminal::table;
use moat_model::resource::{ContainerId, Kind, ResourceId, Role, Run};
use moat_model::state::ContainerState;
use moat_plan::{Cause, Condition, Presence, Published, Standing, Status};

/// The status to show.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub run: &'a Run,
    /// The docker context of its engine, if several were asked.
    pub context: Option<&'a str>,
    pub status: &'a Status,
    /// Of main and the sidecars.
    pub isolation: &'a BTreeMap<ContainerId, Isolation>,
    /// The routing of builds, if the spec has a builder.
    pub builds: Option<&'a Builds>,
    /// The size of the builder's cache, if it reports it.
    pub cache_bytes: Option<u64>,
    /// What the gateway denied lately.
    pub denied: &'a [Denied],
    /// Credentials that a server refused.
    pub refused: &'a [RefusedGrant<'a>],
    /// The last log lines of a failed command.
    pub log: &'a [String],
    /// The error of the last command, if it failed.
    pub last_error: Option<&'a str>,
    /// The running watch, if there is one.
    pub watch: Option<&'a Watch>,
}

/// A grant whose present value a server refused.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RefusedGrant<'a> {
    pub grant: &'a str,
    /// RFC 3339.
    pub time: &'a str,
}

/// The state of a watch for a run.
#[derive(Debug, Clone, Serialize)]
pub struct Watch {
    pub pid: u32,
    /// RFC 3339, UTC.
    pub since: String,
    pub work: String,
    /// Requests that wait for an approval.
    pub held: Vec<String>,
    pub problem: Option<String>,
    /// The number of sessions that a change waits for.
    pub sessions: usize,
    pub last_error: Option<String>,
    /// Resources whose repair is suspended.
    pub left: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    state: Condition,
    resources: Vec<ResourceDocument<'a>>,
    builds: Option<BuildsDocument<'a>>,
    last_error: Option<&'a str>,
    watch: Option<&'a Watch>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    log: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ports: &'a [Published],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    denied: &'a [Denied],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    refused: &'a [RefusedGrant<'a>],
}

#[derive(Debug, Serialize)]
struct ResourceDocument<'a> {
    kind: Kind,
    role: Role,
    resource: &'a ResourceId,
    name: &'a str,
    id: Option<&'a str>,
    state: &'static str,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

/// The routing of builds for scripts, here and at the end of the event stream.
#[derive(Debug, Serialize)]
pub(in crate::ui) struct BuildsDocument<'a> {
    routed: bool,
    builder: &'a str,
    reason: Option<&'a str>,
    hint: Option<&'a str>,
    cache_bytes: Option<u64>,
}

impl View<'_> {
    /// Ends with a line feed.
    pub fn text(&self, colour: Colour) -> String {
        let word = self.status.condition.as_str();
        let style = match self.status.condition {
            Condition::Ready | Condition::Completed => GOOD,
            Condition::Absent | Condition::Converging | Condition::Stopped => CARE,
            Condition::Degraded | Condition::Failed => BAD,
        };
        let context = self.context.map(|context| format!(" (context {})", harmless(context))).unwrap_or_default();
        let mut text = format!("{}: {}{context}\n", self.run.agent, colour.paint(style, word));
        if let Some(watch) = self.watch {
            text.push_str(&watch.text(colour));
        }
        if self.status.condition == Condition::Absent {
            let kept = self.status.resources.iter().filter(|it| it.resource.kind == Kind::Volume);
            let kept = kept.filter(|it| it.presence != Presence::Missing);
            text.extend(kept.map(|it| format!("  kept  volume {}\n", it.name)));
            text.push_str(&self.error(colour));
            return text;
        }
        text.push_str(&self.isolation(colour));
        if let Some(builds) =
            self.builds.filter(|_| !matches!(self.status.condition, Condition::Stopped | Condition::Completed))
        {
            text.push_str(&format!("builds: {}\n", builds_text(builds, self.cache_bytes)));
        }
        for port in &self.status.ports {
            let name = port.name.as_ref().map(|name| format!("{name} ")).unwrap_or_default();
            text.push_str(&format!("port: {name}{} -> {}\n", port.socket(), port.container));
        }
        if !self.denied.is_empty() {
            text.push_str(&format!("{}: {}\n", colour.paint(CARE, "denied"), net::denied::summary(self.denied)));
        }
        for it in self.refused {
            let refused = format!("a server did, at {}; renew it at its source, then `moat apply`", harmless(it.time));
            text.push_str(&format!("{} grant {}: {refused}\n", colour.paint(CARE, "refused"), harmless(it.grant)));
        }
        for line in self.log {
            text.push_str(&format!("  {} {}\n", colour.paint(FAINT, "|"), harmless(line)));
        }
        text.push_str(&self.error(colour));
        text.push('\n');
        text.push_str(&table(&self.status.resources, colour));
        text
    }

    fn isolation_of(&self, standing: &Standing) -> Option<&Isolation> {
        self.isolation.get(&ContainerId::new(standing.id.clone()?))
    }

    /// Main's, and that of each sidecar with another. Default containers do not count, such as those of services.
    fn isolation(&self, colour: Colour) -> String {
        let all = self.status.resources.iter().filter_map(|it| Some((it, self.isolation_of(it)?)));
        let (main, others): (Vec<_>, Vec<_>) = all.partition(|(it, _)| it.role == Role::Main);
        let mut parts: Vec<String> = main.iter().map(|(_, it)| words(it, colour)).collect();
        let is_default = |it: &Isolation| it.wall == Wall::Default && it.runtime.is_none();
        let differs = |it: &Isolation| !is_default(it) && main.iter().all(|(_, of_main)| *of_main != it);
        let others = others.into_iter().filter(|(_, it)| differs(it));
        parts.extend(others.map(|(standing, it)| format!("{} {}", standing.resource.name, words(it, colour))));
        if self.isolation.values().all(is_default) {
            String::new()
        } else {
            format!("isolation: {}\n", parts.join(", "))
        }
    }

    fn error(&self, colour: Colour) -> String {
        self.last_error.map(|it| format!("last error: {}\n", colour.paint(BAD, &harmless(it)))).unwrap_or_default()
    }

    /// Ends with a line feed.
    pub fn json(&self) -> String {
        let resources = self.status.resources.iter().map(|it| {
            let isolation = self.isolation_of(it);
            ResourceDocument {
                kind: it.resource.kind,
                role: it.role,
                resource: &it.resource,
                name: &it.name,
                id: it.id.as_deref(),
                state: it.presence.as_str(),
                ready: it.ready,
                isolation: isolation.map(|it| it.wall.as_str()),
                runtime: isolation.and_then(|it| it.runtime.as_deref()),
                cause: it.cause.as_ref().map(ToString::to_string),
            }
        });
        encode::json(&Document {
            run: self.run.id.as_str(),
            agent: self.run.agent.as_str(),
            context: self.context,
            state: self.status.condition,
            resources: resources.collect(),
            builds: self.builds.map(|builds| BuildsDocument::of(builds, self.cache_bytes)),
            last_error: self.last_error,
            watch: self.watch,
            log: self.log,
            ports: &self.status.ports,
            denied: self.denied,
            refused: self.refused,
        })
    }
}

impl Watch {
    fn text(&self, colour: Colour) -> String {
        let mut text = format!("watch: {} (process {}, since {})\n", self.work, self.pid, self.since);
        let mut more = |style, word: &str, rest: &str| {
            let rest = harmless(rest.lines().next().unwrap_or_default());
            text.push_str(&format!("  {} {rest}\n", colour.paint(style, word)));
        };
        for line in &self.held {
            more(CARE, "held for `moat approve`:", line);
        }
        if let Some(problem) = &self.problem {
            more(BAD, "the spec cannot be used:", problem);
        }
        if self.sessions > 0 {
            more(CARE, "waiting for sessions to end:", &self.sessions.to_string());
        }
        for resource in &self.left {
            more(CARE, "not repaired for now:", resource);
        }
        if let Some(error) = &self.last_error {
            more(BAD, "last error:", error);
        }
        text
    }
}

impl<'a> BuildsDocument<'a> {
    pub(in crate::ui) fn of(builds: &'a Builds, cache_bytes: Option<u64>) -> Self {
        Self {
            routed: builds.routed,
            builder: &builds.builder,
            reason: builds.reason.as_deref(),
            hint: builds.hint.as_deref(),
            cache_bytes,
        }
    }
}

/// Returns the routing of builds, for example `routed to moat (cache 12.3 MB)` or `local (buildx 0.13.1 < 0.14)`.
pub(in crate::ui) fn builds_text(builds: &Builds, cache_bytes: Option<u64>) -> String {
    match (&builds.reason, cache_bytes) {
        (None, Some(cache)) => format!("routed to {} (cache {})", builds.builder, bytes(cache)),
        (None, None) => format!("routed to {}", builds.builder),
        (Some(reason), _) => format!("local ({reason})"),
    }
}

/// Returns for example `privileged`, or `default (runtime runsc)`.
fn words(isolation: &Isolation, colour: Colour) -> String {
    let wall = isolation.wall.as_str();
    let wall = if isolation.wall == Wall::Privileged { colour.paint(CARE, wall) } else { wall.to_owned() };
    match &isolation.runtime {
        Some(runtime) => format!("{wall} (runtime {})", harmless(runtime)),
        None => wall,
    }
}

/// One line for each resource.
fn table(resources: &[Standing], colour: Colour) -> String {
    let rows: Vec<[String; 4]> = resources.iter().map(row).collect();
    table::painted(["RESOURCE", "NAME", "STATE", "READY"], &rows, |row, column, cell| match column {
        READY => colour.paint(if resources[row].ready { GOOD } else { BAD }, cell),
        _ => cell.to_owned(),
    })
}

/// The column of the table that is coloured.
const READY: usize = 3;

fn row(standing: &Standing) -> [String; 4] {
    let image = standing.resource.kind == Kind::Image;
    // The name of an image is its reference.
    let resource = if image { Kind::Image.to_string() } else { standing.resource.to_string() };
    let ready = if standing.ready { "yes".to_owned() } else { why_not(standing) };
    [resource, standing.name.clone(), standing.presence.as_str().to_owned(), ready]
}

/// Returns `no`, with the cause unless the state implies it.
fn why_not(standing: &Standing) -> String {
    let is_implied = |cause: &Cause| match (cause, standing.presence) {
        (Cause::Missing, Presence::Missing) => true,
        (Cause::NotRunning { exit_code: None, .. }, Presence::Container(state)) => state != ContainerState::Running,
        _ => false,
    };
    match &standing.cause {
        Some(Cause::Changed(diffs)) => {
            let fields: Vec<_> = diffs.iter().map(|diff| diff.field.as_str()).collect();
            format!("no (changed: {})", fields.join(", "))
        }
        Some(cause) if !is_implied(cause) => format!("no ({cause})"),
        _ => "no".to_owned(),
    }
}

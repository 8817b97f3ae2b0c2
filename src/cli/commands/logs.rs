//! `moat logs`: the logs of the sandbox's containers, ordered by time.
//!
//! `--follow` polls the list of containers, so that restarted and replaced containers are followed. The time of the last
//! printed line of a container is where its log continues.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, SelectAll, unfold};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::time::interval;

use crate::cli::candidates::containers;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::target::{Sandbox, Target};
use crate::clock::Clock;
use crate::ui::render::logs::Shown;
use moat_docker::{Docker, LogLine, LogLines, LogRequest};
use moat_model::engine::{Detail, Engine, EngineError, Fault, Filter};
use moat_model::resource::{ContainerId, ResourceId};
use moat_model::state::{ContainerFacts, ContainerState};

/// Show the logs of the sandbox's containers
///
/// TIME is a date or time, as in `2026-01-02` or `2026-01-02T03:04:05Z`, or an age, as in `10m` or `2d`.
#[derive(Debug, Args)]
pub struct Logs {
    #[command(flatten)]
    target: Target,
    /// Limit to this container of the sandbox (repeatable)
    #[arg(short, long = "container", value_name = "NAME", add = ArgValueCandidates::new(containers))]
    containers: Vec<String>,
    /// Follow new lines, also across restarts and replacements
    #[arg(short, long)]
    follow: bool,
    /// Show only lines after TIME
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Show only lines before TIME
    #[arg(long, value_name = "TIME", value_parser = since, conflicts_with = "follow")]
    until: Option<Timestamp>,
    /// Show only the last LINES lines of each container, or `all`
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all", hide_default_value = true, value_parser = tail)]
    tail: Tail,
    /// Prefix each line with its time
    #[arg(short, long)]
    timestamps: bool,
    /// Print JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The number of lines from the end. `None`: all.
#[derive(Debug, Clone, Copy)]
struct Tail(Option<u32>);

/// The log of a container with its next line.
struct Source {
    name: String,
    container: ContainerId,
    lines: LogLines,
    next: Option<LogLine>,
}

type Following = BoxStream<'static, (String, ContainerId, Result<Option<LogLine>, EngineError>)>;

/// The polling interval of the list of containers.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The number of consecutive polls without containers after which the sandbox counts as removed: a replacement may be
/// without containers for a moment.
const GONE_AFTER: u32 = 5;

pub async fn run(args: &Logs, session: &Session) -> Result<Exit, CliError> {
    let target = args.target.read()?;
    let engine = session.connect().await?;
    let sandbox = target.find(&engine).await?.present()?;
    let names = if args.containers.is_empty() { sandbox.container_names() } else { args.containers.clone() };
    for name in &names {
        sandbox.container(name)?;
    }
    let colour = session.screen.data_colour();
    let shown = Shown { run: &sandbox.run, names, timestamps: args.timestamps, json: args.json, colour };
    let view = View { args, session, engine: &engine, sandbox: &sandbox, shown };
    let mut last = BTreeMap::new();
    if view.past(&mut last).await? && args.follow {
        view.follow(last).await?;
    }
    Ok(Exit::Done)
}

struct View<'a> {
    args: &'a Logs,
    session: &'a Session,
    engine: &'a Docker,
    sandbox: &'a Sandbox,
    shown: Shown<'a>,
}

impl View<'_> {
    /// Prints the existing lines of all containers in order. Returns whether the output is still open.
    async fn past(&self, last: &mut BTreeMap<ContainerId, String>) -> Result<bool, CliError> {
        let since = self.args.since.map(seconds);
        let until = self.args.until.map(seconds);
        let request = LogRequest { follow: false, since, until, tail: self.args.tail.0 };
        let mut sources = Vec::new();
        for (name, container) in self.wanted(&self.sandbox.observed.containers) {
            let mut lines = self.engine.logs(&container.id, &request).await.map_err(unreadable)?;
            let next = lines.next().await?;
            sources.push(Source { name, container: container.id.clone(), lines, next });
        }
        loop {
            let first = sources.iter_mut().filter(|it| it.next.is_some());
            let first =
                first.min_by(|a, b| a.next.as_ref().map(|it| &it.time).cmp(&b.next.as_ref().map(|it| &it.time)));
            let Some(source) = first else { return Ok(true) };
            let Some(line) = source.next.take() else { return Ok(true) };
            if !self.show(&source.name, &line)? {
                return Ok(false);
            }
            last.insert(source.container.clone(), line.time);
            source.next = source.lines.next().await?;
        }
    }

    async fn follow(&self, mut last: BTreeMap<ContainerId, String>) -> Result<(), CliError> {
        let mut following: SelectAll<Following> = SelectAll::new();
        let mut followed: Vec<ContainerId> = Vec::new();
        let mut look = interval(LOOK_EVERY);
        let mut without = 0;
        loop {
            tokio::select! {
                biased;
                Some((name, container, line)) = following.next(), if !following.is_empty() => match line {
                    Ok(Some(line)) => {
                        // The engine repeats the line that was printed last.
                        if last.get(&container).is_none_or(|shown| *shown < line.time) {
                            if !self.show(&name, &line)? {
                                return Ok(());
                            }
                            last.insert(container, line.time);
                        }
                    }
                    // The container stopped or the connection was lost; the next poll decides.
                    Ok(None) | Err(_) => followed.retain(|it| *it != container),
                },
                _ = look.tick() => {
                    let containers = self.engine.containers(&Filter::Run(self.sandbox.run.id.clone())).await?;
                    without = if containers.is_empty() { without + 1 } else { 0 };
                    if without >= GONE_AFTER {
                        self.session.screen.say(&format!("{} is gone\n", self.sandbox.run.agent));
                        return Ok(());
                    }
                    for (name, facts) in self.wanted(&containers) {
                        if facts.state != ContainerState::Running || followed.contains(&facts.id) {
                            continue;
                        }
                        if let Some(stream) = self.begin(&name, &facts.id, last.get(&facts.id)).await? {
                            followed.push(facts.id.clone());
                            following.push(stream);
                        }
                    }
                }
            }
        }
    }

    /// Follows a container after its last printed line. `None`: it was just removed.
    async fn begin(
        &self,
        name: &str,
        container: &ContainerId,
        last: Option<&String>,
    ) -> Result<Option<Following>, CliError> {
        let since = last.and_then(|time| time.parse().ok()).or(self.args.since).map(seconds);
        // `--tail` was applied to the existing lines.
        let request = LogRequest { follow: true, since, until: None, tail: None };
        let lines = match self.engine.logs(container, &request).await {
            Ok(lines) => lines,
            Err(error) if matches!(error.fault, Fault::NotFound | Fault::Conflict) => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let state = Some((lines, name.to_owned(), container.clone()));
        let stream = unfold(state, async |state| {
            let (mut lines, name, container) = state?;
            let line = lines.next().await;
            let goes_on = matches!(line, Ok(Some(_)));
            let item = (name.clone(), container.clone(), line);
            Some((item, goes_on.then_some((lines, name, container))))
        });
        Ok(Some(stream.boxed()))
    }

    /// The selected containers with their names in the sandbox, main first.
    fn wanted<'b>(&self, containers: &'b [ContainerFacts]) -> Vec<(String, &'b ContainerFacts)> {
        let main = ResourceId::main().name;
        let named = containers.iter().filter_map(|facts| Some((facts.owner.as_ref()?.resource.name.clone(), facts)));
        let is_new = |name: &String| self.args.containers.is_empty() && !self.shown.names.contains(name);
        let mut wanted: Vec<_> = named.filter(|(name, _)| self.shown.names.contains(name) || is_new(name)).collect();
        wanted.sort_by_key(|(name, _)| *name != main);
        wanted
    }

    fn show(&self, name: &str, line: &LogLine) -> Result<bool, CliError> {
        self.session.screen.raw(&self.shown.line(name, line)).map_err(CliError::Output)
    }
}

/// Parses a time or an age. A date means its start, and a time without zone is local, as in docker.
pub(in crate::cli) fn since(text: &str) -> Result<Timestamp, String> {
    let wrong =
        || format!("`{text}` is not a date, a time or an age, as in `2026-01-02`, `2026-01-02T03:04:05Z` or `10m`");
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).map_err(|_| wrong());
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return TimeZone::system().to_timestamp(time).map_err(|_| wrong());
    }
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()).and_then(|days| days.checked_mul(24));
    let ago = match days {
        Some(hours) => SignedDuration::try_from_hours(hours).ok_or_else(wrong)?,
        None => text.parse().map_err(|_| wrong())?,
    };
    Clock::System.now().checked_sub(ago.abs()).map_err(|_| wrong())
}

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        number => {
            number.parse().map(|lines| Tail(Some(lines))).map_err(|_| "expected a number of lines or `all`".to_owned())
        }
    }
}

/// Converts an error: that the engine keeps no logs is a refusal, not an engine failure.
fn unreadable(error: EngineError) -> CliError {
    match error.detail {
        Some(Detail::NoLogs) => CliError::Refused { message: error.message, hint: error.hint.unwrap_or_default() },
        _ => error.into(),
    }
}

/// A time in the format of the engine's API.
fn seconds(time: Timestamp) -> String {
    format!("{}.{:09}", time.as_second(), time.subsec_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ages_are_parsed() {
        let at = |text: &str| since(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(at("2026-11-27T10:00:00Z").to_string(), "2026-11-27T10:00:00Z");
        assert_eq!(at("2026-11-27T10:00:00.5+02:00").to_string(), "2026-11-27T08:00:00.5Z");
        assert_eq!(at("1700000000").to_string(), "2023-11-14T22:13:20Z");
        let zoned = |time: Timestamp| TimeZone::system().to_datetime(time).to_string();
        assert_eq!(zoned(at("2026-11-27")), "2026-11-27T00:00:00");
        for text in ["2026-11-27T10:00", "2026-11-27 10:00:00"] {
            assert_eq!(zoned(at(text)), "2026-11-27T10:00:00");
        }
        for (text, seconds) in [("10m", 600), ("1h30m", 5400), ("2d", 2 * 86_400), ("90s", 90)] {
            let ago = Clock::System.now().duration_since(at(text)).as_secs();
            assert!((seconds - 1..seconds + 60).contains(&ago), "{text}: {ago}");
        }
        for text in ["", "yesterday", "2026-13-01", "d", "99999999999999999d"] {
            assert!(since(text).is_err(), "{text}");
        }
        assert!(tail("all").is_ok_and(|it| it.0.is_none()) && tail("7").is_ok_and(|it| it.0 == Some(7)));
        assert!(tail("-1").is_err() && tail("some").is_err());
    }
}

//! The log of a gateway's decisions, read from its container.
//!
//! The files are copied out of the container, so that a stopped gateway can be read, and no process is left in it. Does not
//! interpret the entries.

use std::io::Read;

use jiff::Timestamp;
use tar::Archive;

use crate::cli::error::CliError;
use moat_docker::{Docker, PathFacts};
use moat_gateway::{LOG_FILES, LogLine};
use moat_model::engine::{Engine, EngineError, Fault, Filter};
use moat_model::resource::{ContainerId, ResourceId, Run, gateway};
use moat_model::state::ContainerFacts;

/// The log of one gateway, also after it is replaced.
pub struct DecisionLog<'a> {
    engine: &'a Docker,
    run: &'a Run,
    container: ContainerId,
    /// The metadata of the files at the last look.
    seen: Option<Files>,
    /// The number of consecutive looks without a gateway.
    without: u32,
}

type Files = Vec<Option<PathFacts>>;

/// During a replacement there may be no gateway for a while; after so many looks it was removed.
const GONE_AFTER: u32 = 60;

/// The same for a run without any container, as after a destroy.
const ALL_GONE_AFTER: u32 = 10;

/// The gateway's limit on a file is 4 MiB; the rest is for the headers of the archive.
const ARCHIVE_MAX: u64 = 5 << 20;

impl<'a> DecisionLog<'a> {
    /// The log of a sandbox with these containers.
    ///
    /// # Errors
    /// If none of them is a gateway.
    pub fn of(engine: &'a Docker, run: &'a Run, containers: &[ContainerFacts]) -> Result<Self, CliError> {
        let found = newest(containers);
        let container = found.map(|facts| facts.id.clone()).ok_or_else(|| without_gateway(run))?;
        Ok(Self { engine, run, container, seen: None, without: 0 })
    }

    /// Reads the whole log, the earliest line first.
    ///
    /// # Errors
    /// If the engine does not respond.
    pub async fn read(&mut self) -> Result<Vec<LogLine>, CliError> {
        self.seen = Some(self.files().await?);
        // The current file first: if it becomes the earlier one in between, its lines are read twice, and not missed.
        let [earlier, current] = LOG_FILES;
        let mut last = self.file(current).await?;
        let first = self.file(earlier).await?;
        if last.first().is_some_and(|line| first.contains(line)) {
            last = self.file(current).await?;
        }
        Ok(first.into_iter().chain(last).collect())
    }

    /// Reads the log if it has changed since the last look.
    ///
    /// # Errors
    /// If the engine does not respond, or the gateway was removed.
    pub async fn changed(&mut self) -> Result<Option<Vec<LogLine>>, CliError> {
        let mut files = self.files().await?;
        // The container was replaced, or nothing has been logged yet.
        if files.iter().all(Option::is_none) {
            let containers = self.engine.containers(&Filter::Run(self.run.id.clone())).await?;
            let Some(found) = newest(&containers) else {
                self.without += 1;
                let limit = if containers.is_empty() { ALL_GONE_AFTER } else { GONE_AFTER };
                return if self.without < limit { Ok(None) } else { Err(without_gateway(self.run)) };
            };
            (self.container, self.without) = (found.id.clone(), 0);
            files = self.files().await?;
        }
        if self.seen.as_ref() == Some(&files) { Ok(None) } else { self.read().await.map(Some) }
    }

    async fn files(&self) -> Result<Files, EngineError> {
        let mut files = Vec::with_capacity(LOG_FILES.len());
        for name in LOG_FILES {
            files.push(self.engine.look_at(&self.container, &path(name)).await?);
        }
        Ok(files)
    }

    /// The lines of a file; none if it does not exist.
    async fn file(&self, name: &str) -> Result<Vec<LogLine>, CliError> {
        let mut archive = match self.engine.pack(&self.container, &path(name)).await {
            Ok(archive) => archive,
            Err(error) if error.fault == Fault::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = archive.next().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > ARCHIVE_MAX {
                return Err(unreadable("it is too large"));
            }
        }
        Ok(lines(&text(&bytes)?))
    }
}

/// The text of the only file of an archive.
fn text(archive: &[u8]) -> Result<String, CliError> {
    let failed = |error: std::io::Error| unreadable(&error.to_string());
    let mut text = Vec::new();
    for entry in Archive::new(archive).entries().map_err(failed)?.take(1) {
        entry.map_err(failed)?.take(ARCHIVE_MAX).read_to_end(&mut text).map_err(failed)?;
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The lines that can be read. A crash may have cut one, and the last one may not be complete yet.
fn lines(text: &str) -> Vec<LogLine> {
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .filter_map(|it| serde_json::from_str(it).ok())
        .collect()
}

/// The lines after the last one that is known.
pub fn after<'a>(all: &'a [LogLine], last: Option<&LogLine>) -> &'a [LogLine] {
    let known = last.and_then(|last| all.iter().rposition(|line| line == last));
    &all[known.map_or(0, |at| at + 1)..]
}

/// Whether a line is not earlier than a time.
pub fn is_since(line: &LogLine, since: Option<Timestamp>) -> bool {
    since.is_none_or(|since| line.time.parse::<Timestamp>().is_ok_and(|time| time >= since))
}

fn newest(containers: &[ContainerFacts]) -> Option<&ContainerFacts> {
    let gateway = ResourceId::gateway();
    containers.iter().rfind(|facts| facts.owner.as_ref().is_some_and(|owner| owner.resource == gateway))
}

fn path(name: &str) -> String {
    format!("{}/{name}", gateway::STATE)
}

/// The error of a command that needs a gateway.
pub fn without_gateway(run: &Run) -> CliError {
    let message = format!("`{}` has no gateway: nothing limits or records what its network reaches", run.agent);
    CliError::Refused { message, hint: "set `network.policy` to `learn` or `strict`, and run `moat apply`".to_owned() }
}

fn unreadable(why: &str) -> CliError {
    let message = format!("cannot read the gateway's log: {why}");
    CliError::Refused { message, hint: "see `moat logs -c gateway`".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: u64) -> String {
        let entry =
            r#""plane":"tls","client":"10.83.0.18","name":"a.example","port":443,"decision":"deny","reason":"no-rule""#;
        format!("{{\"time\":\"2026-11-28T02:00:0{id}Z\",\"id\":{id},{entry}}}\n")
    }

    fn ids(lines: &[LogLine]) -> Vec<u64> {
        lines.iter().map(|line| line.entry.id).collect()
    }

    #[test]
    fn incomplete_and_foreign_lines_are_left_out() {
        let text = format!("{}{{\"id\":2,\"pla\n{{}}\n{}{}", line(1), line(3), line(4).trim_end());
        assert_eq!(ids(&lines(&text)), [1, 3]);
    }

    #[test]
    fn only_new_lines_are_followed() {
        let all = lines(&[line(1), line(2), line(3)].concat());
        assert_eq!(ids(after(&all, Some(&all[1]))), [3]);
        assert_eq!(ids(after(&all, Some(&all[2]))), [0; 0]);
        assert_eq!(ids(after(&all[1..], Some(&all[0]))), [2, 3], "the known line is no longer there");
        assert_eq!(ids(after(&all, None)), [1, 2, 3]);
    }

    #[test]
    fn times_are_compared_and_not_their_texts() {
        let all = lines(&line(1));
        assert!(is_since(&all[0], "2026-11-28T02:00:01Z".parse().ok()) && is_since(&all[0], None));
        assert!(is_since(&all[0], "2026-11-28T03:00:00.5+02:00".parse().ok()));
        assert!(!is_since(&all[0], "2026-11-28T02:00:01.000001Z".parse().ok()));
    }
}

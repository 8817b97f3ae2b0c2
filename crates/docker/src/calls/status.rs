//! Parses a container's status line, such as `Exited (137) 2 minutes ago`: in a list, only it has the exit code and the
//! health.
//!
//! The formats are those of `State.String` in moby's `container/state.go`, the same from 20.10 to 29. The state has its
//! own field and is not read from the line. An unknown format gives nothing.

use moat_model::state::Health;

/// The values of a status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatusLine {
    /// Of the last run, for a container that has exited or is restarting.
    pub(crate) exit_code: Option<i64>,
    pub(crate) health: Health,
    /// If given in seconds, which is for less than a minute.
    pub(crate) up_seconds: Option<u64>,
}

impl StatusLine {
    pub(crate) fn parse(line: &str) -> Self {
        let nothing = Self { exit_code: None, health: Health::None, up_seconds: None };
        if let Some(rest) = line.strip_prefix("Exited (").or_else(|| line.strip_prefix("Restarting (")) {
            let code = rest.split_once(')').and_then(|(code, _)| code.parse().ok());
            return Self { exit_code: code, ..nothing };
        }
        let Some(time) = line.strip_prefix("Up ") else { return nothing };
        // Without parentheses there is no health check; `(Paused)` hides its result.
        let word = line.rsplit_once('(').map_or("", |(_, last)| last.trim_end_matches(')'));
        Self { health: health_word(word.trim_start_matches("health: ")), up_seconds: seconds(time), ..nothing }
    }
}

/// The formats for less than a minute.
fn seconds(time: &str) -> Option<u64> {
    if time.starts_with("Less than a second") {
        return Some(0);
    }
    let (number, unit) = time.split_once(' ')?;
    unit.starts_with("second").then(|| number.parse().ok()).flatten()
}

/// Parses the engine's health status.
pub(crate) fn health_word(word: &str) -> Health {
    match word {
        "healthy" => Health::Healthy,
        "unhealthy" => Health::Unhealthy,
        "starting" => Health::Starting,
        _ => Health::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_parsed() {
        let table = [
            ("Up 3 seconds", None, Health::None, Some(3)),
            ("Up Less than a second", None, Health::None, Some(0)),
            ("Up 3 seconds (healthy)", None, Health::Healthy, Some(3)),
            ("Up About a minute", None, Health::None, None),
            ("Up About an hour (unhealthy)", None, Health::Unhealthy, None),
            ("Up 1 second (health: starting)", None, Health::Starting, Some(1)),
            ("Up 2 hours (Paused)", None, Health::None, None),
            ("Up seconds", None, Health::None, None),
            ("Exited (0) 2 minutes ago", Some(0), Health::None, None),
            ("Exited (137) About an hour ago", Some(137), Health::None, None),
            ("Exited (-1) 2 minutes ago", Some(-1), Health::None, None),
            ("Restarting (1) 4 seconds ago", Some(1), Health::None, None),
            ("Created", None, Health::None, None),
            ("Dead", None, Health::None, None),
            ("Removal In Progress", None, Health::None, None),
            ("", None, Health::None, None),
            ("Exited (x) ago", None, Health::None, None),
            ("Exited (", None, Health::None, None),
            ("Resting (healthy)", None, Health::None, None),
        ];
        for (line, exit_code, health, up_seconds) in table {
            assert_eq!(StatusLine::parse(line), StatusLine { exit_code, health, up_seconds }, "{line}");
        }
    }
}

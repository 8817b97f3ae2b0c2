//! The live lines at the bottom of a terminal: one for each running operation, with its progress and elapsed time.
//! Renders text only; draws nothing and reads no clock.

use std::time::Duration;

use crate::ui::terminal::width::{columns, shortened};

/// A running operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// For example `pulling image docker:dind`.
    pub doing: String,
    /// The progress; empty if unknown.
    pub detail: String,
    pub since: Duration,
}

/// The maximum number of lines: more are not readable while they change.
const ROWS_MAX: usize = 8;

/// The lines of a terminal that are reserved for completed operations.
const LEFT: usize = 4;

/// The width of the verb column, as in permanent lines.
const VERB: usize = 9;

/// Shorter durations are not shown.
const NOTEWORTHY: Duration = Duration::from_secs(1);

/// Returns the rows as lines, each narrower than `width` columns. If not all fit, the last line counts the others.
pub fn lines(rows: &[Row], (width, height): (usize, usize)) -> Vec<String> {
    let room = ROWS_MAX.min(height.saturating_sub(LEFT)).max(1);
    // The counting line takes the place of a row.
    let shown = if rows.len() > room { room - 1 } else { rows.len() };
    let mut lines: Vec<String> = rows[..shown].iter().map(|row| row.line(width)).collect();
    if rows.len() > shown {
        let more = if shown == 0 {
            format!("  {} operations …", rows.len())
        } else {
            format!("  and {} more …", rows.len() - shown)
        };
        lines.push(shortened(&more, width.saturating_sub(1)));
    }
    lines
}

impl Row {
    fn line(&self, width: usize) -> String {
        let (verb, object) = self.doing.split_once(' ').unwrap_or((&self.doing, ""));
        let figure = if self.since < NOTEWORTHY { String::new() } else { format!("  {}", time(self.since)) };
        let detail = if self.detail.is_empty() { String::new() } else { format!("  {}", self.detail) };
        let text = format!("  {verb:VERB$} {object}{detail}");
        // A line that fills the last column would wrap. The elapsed time is kept as long as possible.
        let room = width.saturating_sub(1);
        match room.checked_sub(columns(&figure)) {
            Some(left) if left > VERB => shortened(&text, left) + &figure,
            _ => shortened(&text, room),
        }
    }
}

fn time(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(doing: &str, detail: &str, seconds: u64) -> Row {
        Row { doing: doing.to_owned(), detail: detail.to_owned(), since: Duration::from_secs(seconds) }
    }

    /// The terminal size, the running operations, and the expected lines.
    #[test]
    fn lines_fit_the_terminal() {
        let pull = row("pulling image docker:dind", "12.3 MB of 90.1 MB, 3 of 8 layers", 4);
        let build = row("building image moat/builder:1f2e3d4c", "step 2 of 9: RUN apt-get install -y git", 75);
        let wait = row("waiting for moat-buildkit-builder-1f2e3d4c", "", 0);
        let many: Vec<Row> = (0..12).map(|i| row(&format!("creating volume v{i}"), "", 0)).collect();
        let wide = row("pulling image 例え:dind", "", 4);
        let table: [((usize, usize), &[Row], &str); 8] = [
            ((24, 24), std::slice::from_ref(&wide), "  pulling   image…  4 s"),
            ((80, 24), &[], ""),
            (
                (80, 24),
                &[pull.clone(), wait.clone()],
                "  pulling   image docker:dind  12.3 MB of 90.1 MB, 3 of 8 layers  4 s\n\
                 \x20 waiting   for moat-buildkit-builder-1f2e3d4c",
            ),
            (
                (100, 24),
                std::slice::from_ref(&build),
                "  building  image moat/builder:1f2e3d4c  step 2 of 9: RUN apt-get install -y git  1 min 15 s",
            ),
            // The elapsed time stays visible, and no line fills the last column.
            ((60, 24), std::slice::from_ref(&build), "  building  image moat/builder:1f2e3d4c  step …  1 min 15 s"),
            ((12, 24), std::slice::from_ref(&pull), "  pulling …"),
            (
                (80, 24),
                &many,
                "  creating  volume v0\n  creating  volume v1\n  creating  volume v2\n  creating  volume v3\n\
                 \x20 creating  volume v4\n  creating  volume v5\n  creating  volume v6\n  and 5 more …",
            ),
            ((80, 5), &many, "  12 operations …"),
        ];
        for (size, rows, expected) in table {
            let shown = lines(rows, size);
            assert_eq!(shown.join("\n"), expected, "{size:?}");
            assert!(shown.iter().all(|line| columns(line) < size.0), "{size:?}: {shown:?}");
        }
    }
}
